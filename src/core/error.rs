//! What can go wrong, in one type.
//!
//! An [`Error`] has a kind and the facts; its words are put together in TypeScript, where text costs
//! less. It crosses the boundary as JSON ([`Error::write`]).

use super::wire::json::ObjectWriter;

/// What went wrong. Each kind is one class in JavaScript; `pkg-js/src/errors.ts` has the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An option or the request is malformed: found here, or said by the service (400, 413, 422 …).
    Input,
    /// No token where one is needed, or the service refused it (401).
    Authentication,
    /// The token may not do this (403).
    Permission,
    /// Credits are used up (402).
    PaymentRequired,
    /// No such model or route (404, 410).
    NotFound,
    /// Too many requests or tokens (429).
    RateLimit,
    /// The service failed or could not take the request now (5xx, 408, 409, 425).
    Server,
    /// No answer: no connection, connection lost before the answer, or blocked by CORS.
    Network,
    /// A deadline passed.
    Timeout,
    /// The answer broke off after some of it had been shown.
    StreamInterrupted,
    /// The answer's body ended although the service had not said that the answer was complete.
    Truncated,
    /// The answer is not what the protocol says.
    InvalidResponse,
    /// The answer grew beyond a limit.
    ResponseTooLarge,
    /// The target failed so often that it is left alone for a while.
    CircuitOpen,
    /// Too many calls wait for their turn.
    QueueFull,
    /// The caller's own budget does not allow it.
    BudgetExceeded,
}

impl Kind {
    /// The name of the class in JavaScript, without `Error`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Input => "Input",
            Kind::Authentication => "Authentication",
            Kind::Permission => "Permission",
            Kind::PaymentRequired => "PaymentRequired",
            Kind::NotFound => "NotFound",
            Kind::RateLimit => "RateLimit",
            Kind::Server => "Server",
            Kind::Network => "Network",
            Kind::Timeout => "Timeout",
            Kind::StreamInterrupted => "StreamInterrupted",
            Kind::Truncated => "Truncated",
            Kind::InvalidResponse => "InvalidResponse",
            Kind::ResponseTooLarge => "ResponseTooLarge",
            Kind::CircuitOpen => "CircuitOpen",
            Kind::QueueFull => "QueueFull",
            Kind::BudgetExceeded => "BudgetExceeded",
        }
    }

    /// The kind that an HTTP status stands for. `None` for success.
    pub fn from_status(status: u16) -> Option<Kind> {
        Some(match status {
            200..=299 => return None,
            401 => Kind::Authentication,
            402 => Kind::PaymentRequired,
            403 => Kind::Permission,
            404 | 410 => Kind::NotFound,
            // 424 is TGI's: its generation failed.
            408 | 409 | 424 | 425 => Kind::Server,
            429 => Kind::RateLimit,
            400..=499 => Kind::Input,
            500..=599 => Kind::Server,
            // A redirect that was not followed, or a status outside HTTP.
            _ => Kind::InvalidResponse,
        })
    }
}

/// Whether another try of the same request may succeed: DESIGN's table of retryable statuses.
pub fn is_retryable_status(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 500 | 502..=504 | 520..=524 | 529)
}

/// A failure and its facts. Empty text means unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What went wrong.
    pub kind: Kind,
    /// The finer reason, for the words and for `code`: a constant in snake_case.
    pub reason: &'static str,
    /// What the service said, without markup.
    pub message: String,
    /// The service's own code.
    pub service_code: String,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// The option at fault, as a dotted path (`timeout.stall`).
    pub option: String,
    /// What the option should have been.
    pub expected: &'static str,
    /// When the service will take requests again, in milliseconds since 1970.
    pub retry_at: Option<f64>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// The budget that does not allow it, as JSON; empty for other kinds.
    pub budget: Vec<u8>,
}

impl Error {
    /// A failure of `kind`, for `reason`.
    pub fn new(kind: Kind, reason: &'static str) -> Error {
        let retryable = matches!(
            kind,
            Kind::RateLimit
                | Kind::Server
                | Kind::Network
                | Kind::Timeout
                | Kind::StreamInterrupted
                | Kind::Truncated
                | Kind::CircuitOpen
                | Kind::QueueFull
        );
        Error {
            kind,
            reason,
            message: String::new(),
            service_code: String::new(),
            status: None,
            option: String::new(),
            expected: "",
            retry_at: None,
            retryable,
            budget: Vec::new(),
        }
    }

    /// The same on the heap. An error is large, and a `Result` is copied wherever it passes.
    pub fn boxed(kind: Kind, reason: &'static str) -> Box<Error> {
        Box::new(Error::new(kind, reason))
    }

    /// An option that is not what it should be.
    pub fn option(path: &str, expected: &'static str) -> Box<Error> {
        let mut error = Error::boxed(Kind::Input, "option");
        path.clone_into(&mut error.option);
        error.expected = expected;
        error
    }

    /// Writes the facts as members of an object.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        object
            .text("kind", self.kind.name().as_bytes())
            .text("reason", self.reason.as_bytes())
            .text_if("message", self.message.as_bytes())
            .text_if("serviceCode", self.service_code.as_bytes())
            .text_if("option", self.option.as_bytes())
            .text_if("expected", self.expected.as_bytes())
            .bool("retryable", self.retryable);
        if let Some(status) = self.status {
            object.integer("status", u64::from(status));
        }
        if let Some(at) = self.retry_at {
            // Within the days that JavaScript's dates can count.
            object.integer("retryAt", at.clamp(0.0, 8.64e15) as u64);
        }
        if !self.budget.is_empty() {
            object.raw("budget", &self.budget);
        }
    }
}
