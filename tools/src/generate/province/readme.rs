//! How the files are submitted, as commands that can be pasted.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;

use super::{super::GenArgs, REGISTERS};

/// Writes `README.md`.
pub(super) fn write(
    folder: &Path,
    args: &GenArgs,
    kinds: &[(&'static str, u64)],
) -> anyhow::Result<()> {
    let GenArgs {
        region,
        count,
        seed,
        ..
    } = args;
    let region = region.province();
    let mut text = format!(
        "# 虚构的省级数据 An invented province: {region}\n\n\
         由 `huren gen --province {region} --certificates {count} --seed {seed} --dir DIR` 生成；相同种子，相同内容。\
         地区、职业代码与部分标准文号是真实的，人员、机构、专家、检查均为虚构，抽取种子不对应任何真实日志。\n\n\
         Regions, occupations and some notices are real; people, institutions, experts and inspections are invented, and the \
         seeds of draws are of no real log. The same seed gives the same bytes.\n\n\
         依次执行（NODE 为节点文件夹） / in this order, with NODE as the node's folder:\n\n\
         ```sh\n\
         huren import --dir $NODE --region {region} --backfilled institutions.csv\n"
    );
    for (kind, _) in kinds {
        writeln!(
            text,
            "huren registry submit --dir $NODE --region {region} --kind {kind} --backfilled {REGISTERS}/{kind}.json"
        )?;
    }
    write!(
        text,
        "huren import --dir $NODE --region {region} --backfilled certificates.csv\n\
         huren import --dir $NODE --region {region} --backfilled statuses.csv\n\
         ```\n\n\
         | 文件 file | 登记条数 entries |\n| --- | --- |\n"
    )?;
    for (kind, count) in kinds {
        writeln!(text, "| {REGISTERS}/{kind}.json | {count} |")?;
    }
    let file = folder.join("README.md");
    fs::write(&file, text).with_context(|| format!("无法写入 / cannot write {}", file.display()))
}
