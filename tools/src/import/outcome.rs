//! Where everything that becomes of a row is written down.

use std::io;
use std::time::Duration;

use huren_proto::v1;
use indicatif::ProgressBar;
use tonic::Status;

use super::fault::RowFault;
use super::journal::Journal;
use super::rejects::Rejects;
use super::report::Report;
use super::source::RawRow;

/// Report, rejects, journal and progress of one import.
pub(super) struct Outcome<'a> {
    pub(super) report: Report,
    pub(super) rejects: Rejects,
    pub(super) journal: Journal,
    pub(super) progress: &'a ProgressBar,
}

impl Outcome<'_> {
    pub(super) fn accepted(
        &mut self,
        row: &RawRow,
        response: &v1::SubmitResponse,
    ) -> io::Result<()> {
        self.journal.add(row.line, response)?;
        if response.duplicate {
            self.report.duplicates += 1;
        } else {
            self.report.accepted += 1;
        }
        self.progress.set_message("");
        self.progress.inc(1);
        Ok(())
    }

    /// The row could be sent.
    pub(super) fn valid(&mut self) {
        self.report.accepted += 1;
        self.progress.inc(1);
    }

    /// The node takes the row later. Why is shown until it takes rows again.
    pub(super) fn put_off(&mut self, rejection: &v1::Rejection) {
        self.report.retries += 1;
        let v1::Rejection {
            code,
            message_zh,
            message_en,
            ..
        } = rejection;
        let reason = format!("{code}: {message_zh} {message_en}");
        self.progress.set_message(reason);
    }

    /// The connection is gone and is made anew. Why is shown until the node takes rows again.
    pub(super) fn lost(&mut self, status: &Status) {
        self.report.reconnects += 1;
        let reason = format!("{:?}: {}", status.code(), status.message());
        self.progress.set_message(reason);
    }

    pub(super) fn rejected(&mut self, row: &RawRow, faults: &[RowFault]) -> io::Result<()> {
        self.rejects.add(row, faults)?;
        self.report.rejected += 1;
        let mut codes: Vec<_> = faults.iter().map(|fault| &fault.code).collect();
        codes.sort();
        codes.dedup();
        for code in codes {
            *self
                .report
                .rejected_by_code
                .entry(code.clone().into_owned())
                .or_default() += 1;
        }
        self.progress.inc(1);
        Ok(())
    }

    /// Closes the files. If that fails, the rejects are not whole and the import has failed.
    pub(super) fn finish(mut self, elapsed: Duration) -> Report {
        match self.rejects.finish() {
            Ok(files) => {
                let mut files = files.into_iter();
                self.report.rejects_file = files.next();
                self.report.more_rejects_file = files.next();
            }
            Err(error) => {
                self.report.failure.get_or_insert_with(|| error.to_string());
            }
        }
        self.report.finish(elapsed);
        self.report
    }
}
