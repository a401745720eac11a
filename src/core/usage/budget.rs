//! Budgets: what may be spent in a window, all calls together.
//!
//! Before a request is sent, what it may cost is *reserved*; when its answer is over, the reservation goes and
//! what it did cost is *spent*. A request that does not fit beside what is spent is refused. One that does
//! not fit beside what others have reserved waits until they are over, because most take less than was
//! reserved for them: nobody is refused for money that is never spent.
//!
//! So at the moment when a request is sent, what is spent and reserved is within the limit, and a budget can
//! be overspent only by what requests in flight take beyond their reservations.

use super::Tags;
use super::money;
use crate::core::ports::Milliseconds;
use crate::core::wire::json::{self, ObjectWriter};

/// The values of a tag of which a budget keeps account. Beyond, the one that it has known longest is forgotten.
const MAX_WINDOWS: usize = 4_096;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 86_400_000;

/// What happens to a request that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// The call fails.
    Throw,
    /// The call goes to its next target, which may be cheaper.
    Fallback,
    /// It is sent all the same.
    Warn,
}

/// How long what is spent counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Call,
    Hour,
    Day,
    Month,
    Total,
}

/// What is spent of one value of the tag, or by all.
#[derive(Clone, Debug)]
struct Window {
    value: String,
    /// When it began, in milliseconds since 1970; of a call its number.
    id: u64,
    spent: u64,
    /// How many of the thresholds have been told.
    told: usize,
}

/// One budget.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: u64,
    /// It is in tokens, not in money.
    tokens: bool,
    period: Period,
    /// Each value of this tag has the budget for itself; empty for all together.
    tag: String,
    /// Amounts at which to tell, ascending.
    thresholds: Vec<u64>,
    exceeded: Exceeded,
    windows: Vec<Window>,
}

/// What a request may take, or did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// In pico-dollars; `None` when no price is known.
    pub usd: Option<u64>,
    /// In tokens.
    pub tokens: u64,
}

/// Who spends, and when.
#[derive(Clone, Copy, Debug)]
pub struct Spender<'a> {
    /// The number of the call.
    pub call: u64,
    /// Its tags.
    pub tags: &'a Tags,
    /// The wall clock.
    pub unix: Milliseconds,
}

/// Money for a request that is under way.
#[derive(Debug)]
struct Reservation {
    /// The number of the leg.
    ticket: u64,
    call: u64,
    tags: Vec<(String, String)>,
    amount: Amount,
    /// Whoever has not been heard of by then has gone.
    until: Milliseconds,
}

/// Whether a request may be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Leave {
    /// It may.
    Go,
    /// When others are over, perhaps.
    Wait,
    /// This budget does not allow it.
    Refused(Exceeded, usize),
}

/// A threshold was passed: of which budget, which, whose.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The budget's position.
    pub budget: usize,
    /// The threshold's.
    pub threshold: usize,
    /// What is spent.
    pub spent: u64,
    /// The value of the budget's tag.
    pub value: String,
}

/// The budgets of a client, and what is reserved of them.
#[derive(Debug, Default)]
pub struct Budgets {
    list: Vec<Budget>,
    reservations: Vec<Reservation>,
    /// Who waits for others to be over.
    waiting: Vec<u64>,
}

impl Budget {
    /// Reads `{ "usd" or "tokens", "per": 0 for a call, 1 an hour, 2 a day, 3 a month, else always, "tag",
    /// "alertAt": [0.5, …], "exceeded": 0 to throw, 1 for the next target, 2 to go on }`, as TypeScript writes it.
    fn read(budget: &[u8]) -> Budget {
        let number = |name| json::number_member(budget, name);
        let tokens = number("tokens");
        let limit = tokens.map_or(money::member(budget, "usd"), |count| Some(count as u64)).unwrap_or(0);
        let shares = json::elements(json::member(budget, "alertAt").unwrap_or_default());
        let threshold = |share: &[u8]| (json::as_number(share).unwrap_or(1.0) * limit as f64) as u64;
        let periods = [Period::Call, Period::Hour, Period::Day, Period::Month];
        let period = number("per").and_then(|at| periods.get(at as usize).copied());
        let exceeded = [Exceeded::Throw, Exceeded::Fallback, Exceeded::Warn];
        Budget {
            limit,
            tokens: tokens.is_some(),
            period: period.unwrap_or(Period::Total),
            tag: json::text_member(budget, "tag"),
            thresholds: shares.into_iter().map(threshold).collect(),
            exceeded: exceeded
                .get(number("exceeded").unwrap_or(0.0) as usize)
                .copied()
                .unwrap_or(Exceeded::Throw),
            windows: Vec::new(),
        }
    }

    /// The part of an amount that counts here.
    fn of(&self, amount: &Amount) -> u64 {
        if self.tokens { amount.tokens } else { amount.usd.unwrap_or(0) }
    }

    /// The value of the budget's tag; `None` when the budget does not concern a call with these.
    fn value<'a>(&self, tags: &'a Tags) -> Option<&'a str> {
        if self.tag.is_empty() {
            return Some("");
        }
        tags.iter().find(|(name, _)| *name == self.tag).map(|(_, value)| value.as_str())
    }

    /// What is spent in the window that is now, by those who have this value of the tag.
    fn window(&mut self, value: &str, spender: &Spender<'_>) -> Option<&mut Window> {
        let per_call = self.period == Period::Call;
        let id = if per_call { spender.call } else { self.start(spender.unix) };
        let known = |window: &Window| window.value == value && (!per_call || window.id == id);
        let at = self.windows.iter().position(known).unwrap_or_else(|| {
            if self.windows.len() >= MAX_WINDOWS {
                self.windows.remove(0);
            }
            self.windows.push(Window { value: value.to_owned(), id, spent: 0, told: 0 });
            self.windows.len() - 1
        });
        let window = self.windows.get_mut(at)?;
        // A clock that is set back begins no window anew.
        if id > window.id {
            (window.id, window.spent, window.told) = (id, 0, 0);
        }
        Some(window)
    }

    /// When the window began that is now.
    fn start(&self, unix: Milliseconds) -> u64 {
        let unix = unix.max(0.0) as u64;
        match self.period {
            Period::Hour => unix - unix % HOUR,
            Period::Day => unix - unix % DAY,
            Period::Month => unix - unix % DAY - (day_of_month(unix / DAY) - 1) * DAY,
            Period::Call | Period::Total => 0,
        }
    }

    /// When the next window begins; `None` when there is none.
    fn end(&self, unix: Milliseconds) -> Option<u64> {
        let start = self.start(unix);
        match self.period {
            Period::Hour => Some(start + HOUR),
            Period::Day => Some(start + DAY),
            // The 32nd is in the next month.
            Period::Month => {
                let later = start + 31 * DAY;
                Some(later - (day_of_month(later / DAY) - 1) * DAY)
            }
            Period::Call | Period::Total => None,
        }
    }
}

/// The day of the month, from 1, of a day since 1970 (Howard Hinnant's `civil_from_days`).
fn day_of_month(day: u64) -> u64 {
    let day_of_era = (day + 719_468) % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5 + 1
}

impl Budgets {
    /// Sets the budgets: objects as [`Budget::read`] reads them.
    pub fn set(&mut self, list: &[&[u8]]) {
        self.list = list.iter().map(|budget| Budget::read(budget)).collect();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a leg's request may be sent that may take so much. Reserves nothing: between this and
    /// [`Budgets::reserve`] nothing else may happen.
    pub fn ask(&mut self, ticket: u64, amount: &Amount, spender: &Spender<'_>, now: Milliseconds) -> Leave {
        // Its callers have gone with what was reserved for them.
        self.reservations.retain(|reservation| reservation.until > now);
        let mut leave = Leave::Go;
        for (at, budget) in self.list.iter_mut().enumerate() {
            let Some(value) = budget.value(spender.tags) else { continue };
            if budget.exceeded == Exceeded::Warn {
                continue;
            }
            let spent = budget.window(value, spender).map_or(0, |window| window.spent);
            let wanted = budget.of(amount);
            if spent >= budget.limit || spent.saturating_add(wanted) > budget.limit {
                leave = Leave::Refused(budget.exceeded, at);
                break;
            }
            let others = self.reservations.iter().filter(|other| {
                budget.value(&other.tags) == Some(value)
                    && (budget.period != Period::Call || other.call == spender.call)
            });
            let reserved = others.fold(0, |sum: u64, other| sum.saturating_add(budget.of(&other.amount)));
            if spent.saturating_add(reserved).saturating_add(wanted) > budget.limit {
                leave = Leave::Wait;
            }
        }
        // Whoever has waited longest is asked first again.
        match leave {
            Leave::Wait if self.waiting.contains(&ticket) => {}
            Leave::Wait => self.waiting.push(ticket),
            _ => self.leave(ticket),
        }
        leave
    }

    /// Reserves what a leg's request may take, until it is settled or nothing is heard of it any more.
    pub fn reserve(&mut self, ticket: u64, amount: Amount, spender: &Spender<'_>, until: Milliseconds) {
        if !self.list.is_empty() {
            let tags = spender.tags.to_vec();
            self.reservations.push(Reservation { ticket, call: spender.call, tags, amount, until });
        }
    }

    /// The leg's caller is still there: what is reserved for it stays so, if it still is.
    pub fn heard_of(&mut self, ticket: u64, until: Milliseconds) {
        let own = self.reservations.iter_mut().find(|reservation| reservation.ticket == ticket);
        if let Some(own) = own {
            own.until = own.until.max(until);
        }
    }

    /// The leg's request is over and took so much: the reservation goes, and what was taken is spent.
    pub fn settle(&mut self, ticket: u64, amount: &Amount, spender: &Spender<'_>) -> Vec<Alert> {
        self.reservations.retain(|reservation| reservation.ticket != ticket);
        let mut alerts = Vec::new();
        for (at, budget) in self.list.iter_mut().enumerate() {
            let taken = budget.of(amount);
            let Some(value) = budget.value(spender.tags).filter(|_| taken > 0) else { continue };
            let thresholds = std::mem::take(&mut budget.thresholds);
            if let Some(window) = budget.window(value, spender) {
                window.spent = window.spent.saturating_add(taken);
                while thresholds.get(window.told).is_some_and(|threshold| window.spent >= *threshold) {
                    let value = value.to_owned();
                    alerts.push(Alert { budget: at, threshold: window.told, spent: window.spent, value });
                    window.told += 1;
                }
            }
            budget.thresholds = thresholds;
        }
        alerts
    }

    /// The call is over: what its own budgets have spent counts no more.
    pub fn forget(&mut self, call: u64) {
        for budget in self.list.iter_mut().filter(|budget| budget.period == Period::Call) {
            budget.windows.retain(|window| window.id != call);
        }
    }

    /// The leg waits no more.
    pub fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|waiting| *waiting != ticket);
    }

    /// Who may ask again, when something was settled.
    pub fn next(&self) -> Option<u64> {
        self.waiting.first().copied()
    }

    /// What is reserved and not settled.
    pub fn open(&self) -> usize {
        self.reservations.len()
    }

    /// Writes the facts of one budget as an object. Returns when it begins anew, in milliseconds since 1970.
    pub fn write(&mut self, at: usize, spender: &Spender<'_>, out: &mut Vec<u8>) -> Option<u64> {
        let budget = self.list.get_mut(at)?;
        let value = budget.value(spender.tags).unwrap_or_default();
        let spent = budget.window(value, spender).map_or(0, |window| window.spent);
        let mut facts = ObjectWriter::new(out);
        budget.state(at, value, spent, &mut facts);
        facts.end();
        budget.end(spender.unix)
    }

    /// Writes an alert's members.
    pub fn write_alert(&self, alert: &Alert, object: &mut ObjectWriter<'_>) {
        if let Some(budget) = self.list.get(alert.budget) {
            object.integer("threshold", alert.threshold as u64);
            budget.state(alert.budget, &alert.value, alert.spent, object);
        }
    }

    /// Writes what is spent of each, as a list; of a budget by tag, an entry for each value.
    pub fn write_all(&mut self, unix: Milliseconds, out: &mut Vec<u8>) {
        out.push(b'[');
        let mut first = true;
        for (at, budget) in self.list.iter().enumerate().filter(|(_, budget)| budget.period != Period::Call) {
            let start = budget.start(unix);
            for window in &budget.windows {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                let mut entry = ObjectWriter::new(out);
                entry.integer("start", window.id);
                budget.state(at, &window.value, if window.id < start { 0 } else { window.spent }, &mut entry);
                entry.end();
            }
        }
        out.push(b']');
    }
}

impl Budget {
    /// Writes how it stands: its position, the value of its tag, `spent` and `limit`, and in which `unit` they are.
    #[inline(never)]
    fn state(&self, at: usize, value: &str, spent: u64, object: &mut ObjectWriter<'_>) {
        object.integer("index", at as u64).text_if("value", value.as_bytes());
        object.text("unit", if self.tokens { b"tokens" } else { b"usd" });
        for &(name, amount) in &[("spent", spent), ("limit", self.limit)] {
            if self.tokens {
                object.integer(name, amount);
            } else {
                money::write(object, name, Some(amount));
            }
        }
    }
}
