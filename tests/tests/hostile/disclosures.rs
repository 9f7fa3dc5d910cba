//! Disclosures that are not those of the leaves.

use huren_proto::v1;
use huren_tests::Lie;

use crate::support::overcomes;

/// Does something to the pages of an answer.
struct Pages(fn(&mut Vec<v1::GetDisclosuresResponse>));

impl Lie for Pages {
    fn disclosures(&self, pages: &mut Vec<v1::GetDisclosuresResponse>) {
        (self.0)(pages);
    }
}

/// Every disclosure of a group.
fn of_group(
    pages: &mut [v1::GetDisclosuresResponse],
    group: v1::Group,
) -> impl Iterator<Item = &mut v1::Disclosure> {
    pages
        .iter_mut()
        .flat_map(|page| &mut page.records)
        .flat_map(|record| &mut record.disclosures)
        .filter(move |disclosure| disclosure.group == group as i32)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_salts_are_overcome() {
    // True holders would not match.
    let lie = Pages(|pages| {
        of_group(pages, v1::Group::HolderName).for_each(|disclosure| disclosure.salt[0] ^= 1);
    });
    overcomes(lie, "DISCLOSURE_WRONG").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_values_are_overcome() {
    let lie = Pages(|pages| {
        for disclosure in of_group(pages, v1::Group::Certificate) {
            for field in disclosure.fields.iter_mut().filter(|f| f.name == "level") {
                field.value = "1".into();
            }
        }
    });
    overcomes(lie, "DISCLOSURE_WRONG").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withheld_disclosures_are_overcome() {
    let lie = Pages(|pages| pages.iter_mut().for_each(|page| page.records.clear()));
    overcomes(lie, "DISCLOSURE_MISSING").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disclosures_that_end_early_are_overcome() {
    overcomes(Pages(Vec::clear), "DISCLOSURE_MISSING").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_beyond_what_was_asked_for_are_overcome() {
    let lie = Pages(|pages| pages.iter_mut().for_each(|page| page.end_index += 1 << 40));
    overcomes(lie, "PEER_MALFORMED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_disclosed_twice_is_overcome() {
    let lie = Pages(|pages| {
        for page in pages {
            let again = page.records.clone();
            page.records.extend(again);
        }
    });
    overcomes(lie, "PEER_MALFORMED").await;
}

/// Pages of one leaf each.
fn split(pages: &mut Vec<v1::GetDisclosuresResponse>) {
    let of_page = |page: v1::GetDisclosuresResponse| {
        let leaf = move |index| v1::GetDisclosuresResponse {
            first_index: index,
            end_index: index + 1,
            records: page
                .records
                .iter()
                .filter(|record| record.index == index)
                .cloned()
                .collect(),
        };
        (page.first_index..page.end_index).map(leaf)
    };
    *pages = std::mem::take(pages)
        .into_iter()
        .flat_map(of_page)
        .collect();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_may_be_small() {
    overcomes(Pages(split), "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_page_behind_right_ones_is_overcome() {
    let lie = Pages(|pages| {
        split(pages);
        if let Some(last) = pages.last_mut() {
            let last = std::slice::from_mut(last);
            of_group(last, v1::Group::HolderId).for_each(|disclosure| disclosure.salt[0] ^= 1);
        }
    });
    overcomes(lie, "DISCLOSURE_WRONG").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_out_of_its_turn_is_overcome() {
    let lie = Pages(|pages| {
        split(pages);
        if let [.., last] = pages.as_mut_slice() {
            last.first_index += 1;
            last.end_index += 1;
        }
    });
    overcomes(lie, "PEER_MALFORMED").await;
}
