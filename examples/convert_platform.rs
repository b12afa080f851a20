//! Converts the images of one platform to an OCI archive, and says what is odd meanwhile:
//! `convert_platform ARCHIVE OS/ARCHITECTURE OUTPUT`.

use imgtar::{ConvertOptions, Diagnostics, OciOptions, Platforms, Run, Sink, Target, convert};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: convert_platform ARCHIVE OS/ARCHITECTURE OUTPUT";
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or(usage);
    let (archive, platform, output) = (next()?, next()?, next()?);

    let mut options = ConvertOptions::new(Target::Oci(OciOptions::default()));
    options.platforms = Platforms::Only(vec![platform.parse()?]);
    let mut run = Run::quiet();
    run.diagnostics = Diagnostics::new(false, |said| eprintln!("{}", said.line()));
    let report = convert(archive.into(), Sink::file(output.as_ref(), false)?.into(), &options, &run)?;
    for image in report.images {
        println!("{} {}", image.image_id, image.names.join(" "));
    }
    Ok(())
}
