//! Streams of submissions as an operator sees them: how many came and what became of them. In
//! memory alone, bounded, and without anything that was submitted.

use std::{
    cmp::Reverse,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use huren_proto::v1::{self, ImportState, submit_many_response};

use super::Clock;

/// Streams that are kept.
const STREAMS: usize = 32;

/// Refused rows that are kept of each.
const ROWS: usize = 16;

/// Reason codes that are told apart in each.
const CODES: usize = 32;

/// What stands for a code where there are more, or where it is none.
const OTHER: &str = "OTHER";

/// The largest number that may be a line's.
const LINES: u64 = 1_000_000_000;

/// Seconds without a message or an answer after which an open stream is called silent.
const SILENCE: u64 = 60;

/// The streams of submissions of this process since it started.
pub struct Imports {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

/// The newest streams, oldest first, as they are told.
#[derive(Default)]
struct Kept {
    /// How many have begun.
    begun: u64,
    streams: VecDeque<v1::Import>,
}

impl Imports {
    /// None so far.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Mutex::default(),
        }
    }

    /// A stream begins; it goes on until what is returned says that it ended, or is dropped.
    pub fn begin(self: &Arc<Self>, caller: String) -> Following {
        let id = self.lock().begin(caller, self.clock.now());
        Following {
            imports: Arc::clone(self),
            id,
        }
    }

    /// All that are kept, the newest first.
    pub fn list(&self) -> Vec<v1::Import> {
        self.lock().list(self.clock.now())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Counters, none of which is left half-done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows one stream. Dropped before it ended, the stream was broken off.
pub struct Following {
    imports: Arc<Imports>,
    id: u64,
}

impl Following {
    /// A message came.
    pub fn received(&self, message: &v1::SubmitManyRequest) {
        self.change(|import| received(import, message));
    }

    /// A submission, behind which so much of the caller's file was read, is answered.
    pub fn answered(&self, permille: u32, answer: &v1::SubmitManyResponse) {
        self.change(|import| {
            reached(import, permille);
            answered(import, answer);
        });
    }

    /// The caller has ended the stream, and everything is answered.
    pub fn ended(&self) {
        self.change(|import| import.set_state(ImportState::Done));
    }

    fn change(&self, change: impl FnOnce(&mut v1::Import)) {
        let now = self.imports.clock.now();
        let mut kept = self.imports.lock();
        // One of many at once may be kept no more.
        if let Some(import) = kept.streams.iter_mut().find(|import| import.id == self.id) {
            import.last = now;
            change(import);
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut kept = self.imports.lock();
        let mut streams = kept.streams.iter_mut();
        // Its last sign of life stays as it was.
        if let Some(import) = streams.find(|import| import.id == self.id)
            && import.state() == ImportState::Running
        {
            import.set_state(ImportState::BrokenOff);
        }
    }
}

impl Kept {
    fn begin(&mut self, caller: String, now: u64) -> u64 {
        if self.streams.len() == STREAMS {
            self.make_room();
        }
        self.begun += 1;
        self.streams.push_back(v1::Import {
            id: self.begun,
            caller,
            started: now,
            last: now,
            state: ImportState::Running.into(),
            ..Default::default()
        });
        self.begun
    }

    /// Whoever has most of the places gives one up: the oldest that is over, or else the oldest. A
    /// caller of many short streams shows nobody else's out.
    fn make_room(&mut self) {
        let of = |at: &usize| {
            let import = &self.streams[*at];
            let theirs = self.streams.iter();
            let theirs = theirs.filter(|other| other.caller == import.caller).count();
            let is_over = import.state() != ImportState::Running;
            (theirs, is_over, Reverse(*at))
        };
        if let Some(at) = (0..self.streams.len()).max_by_key(of) {
            self.streams.remove(at);
        }
    }

    fn list(&self, now: u64) -> Vec<v1::Import> {
        let mut all: Vec<v1::Import> = self.streams.iter().rev().cloned().collect();
        for import in &mut all {
            let quiet = now.saturating_sub(import.last) >= SILENCE;
            if quiet && import.state() == ImportState::Running {
                import.set_state(ImportState::Silent);
            }
        }
        all
    }
}

fn received(import: &mut v1::Import, message: &v1::SubmitManyRequest) {
    let Some(progress) = &message.progress else {
        import.received += 1;
        return;
    };
    import.received += u64::from(message.submission.is_some());
    let (told, more) = progress.refused.split_at(progress.refused.len().min(CODES));
    for v1::RefusedCode { code, count } in told {
        refuse(import, code, *count);
    }
    let more = more.iter().map(|of| of.count).fold(0, u64::saturating_add);
    if more > 0 {
        refuse(import, OTHER, more);
    }
    for row in progress.newest.iter().take(ROWS) {
        keep(import, row.client_ref, &row.code, &row.field);
    }
    if message.submission.is_none() {
        reached(import, progress.permille);
    }
}

fn reached(import: &mut v1::Import, permille: u32) {
    import.permille = import.permille.max(permille.min(1000));
}

fn answered(import: &mut v1::Import, answer: &v1::SubmitManyResponse) {
    use submit_many_response::Result::{Accepted, Rejected};
    match &answer.result {
        None => {}
        Some(Accepted(accepted)) if accepted.duplicate => import.duplicates += 1,
        Some(Accepted(_)) => import.accepted += 1,
        Some(Rejected(rejection)) if rejection.retryable => import.put_off += 1,
        Some(Rejected(rejection)) => {
            refuse(import, &rejection.code, 1);
            keep(import, answer.client_ref, &rejection.code, &rejection.field);
        }
    }
}

fn refuse(import: &mut v1::Import, code: &str, count: u64) {
    let has_room = import.refused.len() < CODES;
    let known = |code: &str| import.refused.iter().position(|of| of.code == code);
    let code = if is_code(code) && (has_room || known(code).is_some()) {
        code
    } else {
        OTHER
    };
    match known(code) {
        Some(at) => {
            let of = &mut import.refused[at].count;
            *of = of.saturating_add(count);
        }
        None => import.refused.push(v1::RefusedCode {
            code: code.to_owned(),
            count,
        }),
    }
}

fn keep(import: &mut v1::Import, client_ref: u64, code: &str, field: &str) {
    if import.newest.len() == ROWS {
        import.newest.remove(0);
    }
    import.newest.push(v1::RefusedRow {
        // A line or a place in a list. What is larger may be any number, a person's too.
        client_ref: if client_ref <= LINES { client_ref } else { 0 },
        code: if is_code(code) { code } else { OTHER }.to_owned(),
        field: if is_field(field) { field } else { "" }.to_owned(),
    });
}

/// What a caller says it refused is shown only if it looks like a reason code: a caller may put
/// anything in its place, and what came from a row is nobody's business here.
fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    is_short(text)
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(fits)
}

/// Whether it may be the name of something, and holds no number of a document or a telephone.
fn is_short(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    text.len() <= 64 && runs.map(str::len).all(|digits| digits <= 3)
}

/// The same of a field's name, such as `signature_key` or `targets[2].region`.
fn is_field(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.[]".contains(&byte);
    is_short(text)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use submit_many_response::Result::{Accepted, Rejected};

    use super::*;

    fn kept(count: u64) -> Kept {
        let mut kept = Kept::default();
        for at in 0..count {
            kept.begin(format!("caller:{at}"), 100 + at);
        }
        kept
    }

    fn rejected(line: u64, code: &str, retryable: bool) -> v1::SubmitManyResponse {
        v1::SubmitManyResponse {
            client_ref: line,
            result: Some(Rejected(v1::Rejection {
                code: code.into(),
                field: "number".into(),
                message_zh: "张三".into(),
                retryable,
                ..Default::default()
            })),
        }
    }

    fn accepted(duplicate: bool) -> v1::SubmitManyResponse {
        v1::SubmitManyResponse {
            client_ref: 1,
            result: Some(Accepted(v1::SubmitResponse {
                duplicate,
                ..Default::default()
            })),
        }
    }

    #[test]
    fn the_oldest_that_is_over_makes_room() {
        let mut kept = kept(STREAMS as u64);
        kept.streams[3].set_state(ImportState::Done);
        kept.begin("caller:new".into(), 200);
        let ids = |kept: &Kept| kept.streams.iter().map(|of| of.id).collect::<Vec<_>>();
        assert_eq!(kept.streams.len(), STREAMS);
        assert!(!ids(&kept).contains(&4) && ids(&kept).contains(&1));
        // Where all go on, the oldest is shown no more.
        kept.begin("caller:newest".into(), 201);
        assert_eq!((kept.streams.len(), ids(&kept)[0]), (STREAMS, 2));
        assert_eq!(kept.list(201)[0].id, STREAMS as u64 + 2);
    }

    #[test]
    fn many_streams_of_one_caller_show_nobody_else_out() {
        let mut kept = kept(1);
        kept.streams[0].set_state(ImportState::Done);
        for at in 0..2 * STREAMS as u64 {
            kept.begin("caller:busy".into(), 200 + at);
        }
        assert_eq!(kept.streams.len(), STREAMS);
        assert_eq!(kept.streams[0].caller, "caller:0");
    }

    #[test]
    fn no_number_of_anything_is_shown() {
        assert!(is_code("ID_LEGACY_15") && is_field("targets[120].region"));
        assert!(!is_code("S000033010006243000001") && !is_code("E12345678"));
        assert!(!is_field("a13800138000"));
        let mut import = v1::Import::default();
        keep(&mut import, 330_102_199_001_011_234, "KIND", "kind");
        keep(&mut import, 7, "KIND", "kind");
        let lines: Vec<u64> = import.newest.iter().map(|row| row.client_ref).collect();
        assert_eq!(lines, [0, 7]);
    }

    #[test]
    fn what_is_heard_no_more_is_silent_until_it_is_heard_again() {
        let mut kept = kept(2);
        kept.streams[1].set_state(ImportState::BrokenOff);
        let states = |kept: &Kept, now| {
            kept.list(now)
                .iter()
                .map(v1::Import::state)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            states(&kept, 100 + SILENCE - 1),
            [ImportState::BrokenOff, ImportState::Running]
        );
        assert_eq!(
            states(&kept, 100 + SILENCE),
            [ImportState::BrokenOff, ImportState::Silent]
        );
        kept.streams[0].last = 110;
        assert_eq!(states(&kept, 100 + SILENCE)[1], ImportState::Running);
    }

    #[test]
    fn every_answer_counts_once_and_no_value_is_kept() {
        let mut import = v1::Import::default();
        for line in 1..=20 {
            answered(&mut import, &rejected(line, "ID_CHECK_DIGIT", false));
        }
        answered(&mut import, &rejected(21, "LOG_BUSY", true));
        answered(&mut import, &accepted(false));
        answered(&mut import, &accepted(true));
        // What only told how far the caller is has an answer too.
        answered(&mut import, &v1::SubmitManyResponse::default());
        let counted = (import.accepted, import.duplicates, import.put_off);
        assert_eq!(counted, (1, 1, 1));
        assert_eq!(import.refused.len(), 1);
        assert_eq!(import.refused[0].count, 20);
        let lines: Vec<u64> = import.newest.iter().map(|row| row.client_ref).collect();
        assert_eq!(lines, (5..=20).collect::<Vec<_>>());
        assert!(!format!("{import:?}").contains("张三"));
    }

    #[test]
    fn a_caller_s_own_refusals_count_as_far_as_they_are_codes() {
        let mut import = v1::Import::default();
        let refused = |code: &str| v1::RefusedCode {
            code: code.into(),
            count: u64::MAX,
        };
        let row = v1::RefusedRow {
            client_ref: 9,
            code: "张三".into(),
            field: "欧阳凌霄".into(),
        };
        let progress = v1::ImportProgress {
            permille: 2000,
            refused: vec![refused("DATE"), refused("DATE"), refused("张三")],
            newest: vec![row],
        };
        let mut message = v1::SubmitManyRequest {
            submission: None,
            progress: Some(progress),
        };
        received(&mut import, &message);
        assert_eq!((import.received, import.permille), (0, 1000));
        let codes = |import: &v1::Import| {
            let codes = import.refused.iter();
            codes
                .map(|of| (of.code.clone(), of.count))
                .collect::<Vec<_>>()
        };
        let expected = [("DATE".to_owned(), u64::MAX), (OTHER.to_owned(), u64::MAX)];
        assert_eq!(codes(&import), expected);
        assert_eq!(
            (&*import.newest[0].code, &*import.newest[0].field),
            (OTHER, "")
        );
        // How far a submission is counts once it is answered.
        import.permille = 0;
        message.submission = Some(v1::SubmitRequest::default());
        received(&mut import, &message);
        assert_eq!((import.received, import.permille), (1, 0));
        for code in 0..100 {
            refuse(&mut import, &format!("CODE_{code}"), 1);
        }
        assert!(import.refused.len() <= CODES + 1);
    }
}
