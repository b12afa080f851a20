//! Lists the images of an archive, and the layers of each: `list ARCHIVE`.

use imgtar::{ImageSelector, Result, Run, open};

fn main() -> Result<()> {
    let archive = std::env::args_os().nth(1).expect("usage: list ARCHIVE");
    let images = open(archive.into(), None, &Run::quiet())?;
    for chosen in ImageSelector::default().images(&images)? {
        println!("{} for {}: {}", chosen.title(), chosen.image.platform, chosen.image.image_id);
        for layer in chosen.image.layers.iter() {
            println!("  {} in {} bytes", layer.diff_id, layer.stored_size());
        }
    }
    Ok(())
}
