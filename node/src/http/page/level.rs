//! What a skill level means, for employers.

use huren_core::codes::Level;

/// In Chinese and in English, in short. What holders of the five grades can do is by the rules for
/// writing national occupational skill standards (国家职业技能标准编制技术规程（2018年版）); on the other
/// three see [`Level::is_employer_only`].
pub(super) fn meaning(level: Level) -> (&'static str, &'static str) {
    match level.ordinal() {
        2 => (
            "能以基本技能独立完成本职业的常规工作",
            "does the routine work of the occupation alone, with basic skills",
        ),
        3 => (
            "能熟练完成常规工作，特定情况下完成技术较复杂的工作，并能与他人合作",
            "does routine work with ease, more complex work in particular cases, and works with others",
        ),
        4 => (
            "能完成较复杂和部分非常规的工作，独立处理问题，并能指导初、中级工",
            "does fairly complex and some non-routine work, solves problems alone, and guides juniors",
        ),
        5 => (
            "能完成复杂的非常规工作，掌握关键技术，解决工艺难题，并能培训他人",
            "does complex, non-routine work, masters key techniques, solves technical problems, and \
             trains others",
        ),
        6 => (
            "能在本职业各领域完成复杂的非常规工作，解决高难度技术问题，并能组织技术革新和培训",
            "does complex work in all fields of the occupation, solves the hardest problems, and leads \
             innovation and training",
        ),
        _ => (
            "由用人单位对本单位职工评定",
            "given by employers to staff of their own",
        ),
    }
}
