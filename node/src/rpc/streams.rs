//! Streams of callers.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use tonic::{Status, Streaming};

use super::{Context, access::Who, refuse};

/// What is answered with a stream.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Context {
    /// The messages of a stream, as often as its caller may send them and for as long as it may.
    pub(super) fn heard<T: Send + 'static>(
        &self,
        who: Who,
        stream: Streaming<T>,
    ) -> impl Stream<Item = Result<T, Status>> + Send + use<T> {
        let caller = Arc::new((self.clone(), who));
        refuse::messages(stream).then(move |message| {
            let caller = Arc::clone(&caller);
            async move {
                let (context, who) = caller.as_ref();
                context.pace(who).await;
                context.still(who)?;
                message
            }
        })
    }
}
