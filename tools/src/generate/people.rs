//! Invented holders: plausible names and valid document numbers, of nobody in particular.

use huren_core::codes::{IdKind, Region, RegionLevel, id_check_digit};

use super::random::Random;

/// The most frequent surnames first: about a third of all people bear one of the first ten.
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤";
const COMPOUND_SURNAMES: [&str; 6] = ["欧阳", "诸葛", "上官", "司马", "皇甫", "尉迟"];
const GIVEN: &str = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲芬燕兰鹏飞辉健建国志文斌波宇浩然子轩梓涵欣怡佳俊博雅诗思雨晨阳琳雪梅凤琴云莲真环荣爱妹香月莺媛瑞凡嘉琼勤珍贞莉叶璧璐娅琦晶妍茜秋珊莎锦黛青倩婷姣婉娴瑾颖露瑶";
/// Characters outside GB 2312, some of them outside the basic plane, as in real names.
const RARE: [char; 10] = ['堃', '喆', '䶮', '𠮷', '㛃', '翀', '昇', '淼', '珺', '𬭎'];
/// Parts of names that are written with a middle dot.
const UYGHUR: [&str; 8] = [
    "阿卜杜拉",
    "买买提",
    "古丽娜尔",
    "艾尼瓦尔",
    "阿依古丽",
    "吐尔逊",
    "帕提古丽",
    "玉素甫",
];
const TIBETAN: [&str; 6] = ["扎西", "卓玛", "次仁", "达瓦", "尼玛", "央金"];

/// Counties elsewhere from which many come to work in the four provinces.
const ELSEWHERE: [&str; 6] = ["410102", "420102", "360102", "520102", "510104", "430102"];

/// A holder.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) id_kind: IdKind,
    pub(super) id_number: String,
    /// Where the household is registered, if the document tells it.
    pub(super) household: Option<Region>,
}

impl Person {
    /// Somebody of working age in `year`; `counties` are those of the province.
    pub(super) fn new(random: &mut Random, year: u16, counties: &[Region]) -> Self {
        if random.chance(10) {
            return Self::with_travel_document(random);
        }
        Self::with_resident_id(random, year, counties)
    }

    /// Somebody with a resident identity card.
    pub(super) fn with_resident_id(random: &mut Random, year: u16, counties: &[Region]) -> Self {
        let area = if random.chance(700) {
            random.pick(counties).six_digits()
        } else {
            (*random.pick(&ELSEWHERE)).to_owned()
        };
        let birth_year = year - random.range(18, 59);
        let (month, day) = (random.range(1, 12), random.range(1, 28));
        let order = random.range(1, 999);
        let body = format!("{area}{birth_year:04}{month:02}{day:02}{order:03}");
        let check_digit = body.as_bytes().first_chunk::<17>().map(id_check_digit);
        Self {
            name: name(random),
            id_kind: IdKind::ResidentId,
            id_number: body + &check_digit.map(String::from).unwrap_or_default(),
            household: Region::parse(&area).ok(),
        }
    }

    fn with_travel_document(random: &mut Random) -> Self {
        const KINDS: [(IdKind, &str); 3] = [
            (IdKind::Passport, "E"),
            (IdKind::HkMacaoPermit, "H"),
            (IdKind::TaiwanPermit, ""),
        ];
        let (id_kind, prefix) = *random.pick(&KINDS);
        let id_number = format!("{prefix}{}", random.digits(8));
        Self {
            name: name(random),
            id_kind,
            id_number,
            household: None,
        }
    }
}

/// A name; one in a hundred with a middle dot, one in fifty with a rare character.
pub(super) fn name(random: &mut Random) -> String {
    if random.chance(10) {
        let parts: &[&str] = if random.chance(700) {
            &UYGHUR
        } else {
            &TIBETAN
        };
        return format!("{}·{}", random.pick(parts), random.pick(parts));
    }
    let surname = if random.chance(8) {
        (*random.pick(&COMPOUND_SURNAMES)).to_owned()
    } else {
        // Twice below: the front of the list comes up more often.
        let length = SURNAMES.chars().count() as u64;
        let at = random.below(length) * random.below(length) / length;
        SURNAMES
            .chars()
            .nth(at as usize)
            .map(String::from)
            .unwrap_or_default()
    };
    let mut given = String::from(random.pick_char(GIVEN));
    if random.chance(20) {
        given.push(*random.pick(&RARE));
    } else if random.chance(820) {
        given.push(random.pick_char(GIVEN));
    }
    surname + &given
}

/// The counties of a province in which people live. Codes that end in 71 to 80 are zones of
/// the statistical office, which GB/T 2260 does not have.
pub(super) fn counties(province: Region) -> Vec<Region> {
    Region::listed(RegionLevel::County)
        .filter(|county| province.contains(county))
        .filter(|county| {
            let code = county.six_digits();
            !code
                .get(4..)
                .is_some_and(|part| ("71"..="80").contains(&part))
        })
        .collect()
}
