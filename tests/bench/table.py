"""Figures as Markdown."""

from statistics import median


def pairs(results):
    """One line for each job and peer; each comes when it has been measured."""
    titles = ["job", "against", "wall", "share of its wall: least **median** most", "may be", "CPU", "share of its CPU",
              "peak MiB", "temporary MB", "share of its output", "result the same"]
    yield from head(titles, "ll---------l")
    for result in results:
        mine, theirs, peer = result.mine, result.theirs, result.peer
        shares = sorted(one.wall / other.wall for one, other in zip(mine, theirs))
        cpu = middle(mine, "cpu"), middle(theirs, "cpu")
        yield line(
            result.job,
            peer.name,
            f"{seconds(middle(mine, 'wall'))} : {seconds(middle(theirs, 'wall'))}",
            spread(shares, share),
            limit(median(shares), peer.most),
            f"{seconds(cpu[0])} : {seconds(cpu[1])}",
            share(cpu[0] / cpu[1]),
            f"{peak(mine)} : {peak(theirs)}",
            " : ".join(f"{size / 1e6:.0f}" for size in result.temporary),
            output(result),
            result.agree,
        )


def answers(results):
    yield from head(["command", "of", "wall: least **median** most", "may be", "CPU", "peak MiB"], "ll----")
    for result in results:
        walls = [sample.wall for sample in result.samples]
        yield line(
            result.job.name,
            result.job.image.name,
            spread(walls, seconds),
            limit(median(walls), result.job.most, seconds),
            seconds(middle(result.samples, "cpu")),
            peak(result.samples),
        )


def growth(results):
    titles = ["job", "of", "wall: least **median** most", "for each", "of the smallest's", "CPU", "peak MiB"]
    yield from head(titles, "ll-----")
    smallest = {}
    for result in results:
        job = result.job
        walls = [sample.wall for sample in result.samples]
        each = median(walls) / job.amount
        yield line(
            job.name,
            f"{job.amount:g} {job.unit}",
            spread(walls, seconds),
            f"{seconds(each)}",
            share(each / smallest.setdefault((job.name, job.unit), each)),
            seconds(middle(result.samples, "cpu")),
            peak(result.samples),
        )


def head(titles, alignment):
    yield line(*titles)
    yield line(*({"l": "---", "-": "---:"}[column] for column in alignment))


def line(*cells):
    return f"| {' | '.join(cells)} |"


def spread(values, written):
    return f"{written(min(values))} **{written(median(values))}** {written(max(values))}"


def output(result):
    mine, theirs = result.sizes
    if theirs == 0:
        return "–"
    if result.peer.size is None:
        return f"{mine / theirs:.3f}"
    return f"{mine / theirs:.3f}, may be {limit(mine / theirs, result.peer.size)}"


def limit(found, most, written="{:g}".format):
    if most is None:
        return "–"
    return written(most) + (" **over**" if found > most else "")


def middle(samples, name):
    return median(getattr(sample, name) for sample in samples)


def peak(samples):
    return f"{max(sample.peak for sample in samples) / 2**20:.1f}"


def seconds(value):
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s"


def share(value):
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
