//! Where institutions assess.

use huren_proto::v1::Institution;

use crate::codes::Region;

/// Whether an institution has a site in the region of an assessment: its own region counts as one
/// (浙人社发〔2022〕16号 四(一)).
pub fn has_site_in(institution: &Institution, activity: Region) -> bool {
    let regions = institution.site_regions.iter();
    let mut regions = regions
        .chain([&institution.home_region])
        .filter_map(|code| Region::parse(code).ok());
    regions.any(|region| region.contains(&activity))
}
