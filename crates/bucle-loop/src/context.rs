//! Context variables: values that belong to a task and are inherited by the tasks it spawns.
//! asyncio's `contextvars`.
//!
//! A [`Context`] maps variables to values. Each task has one of its own, a copy of the context of
//! who spawned it, made at that moment; copying shares the values, so it costs one allocation
//! whatever the context holds. A program that never sets a variable pays one look at a thread-local
//! flag a spawn.
//!
//! Outside of any task there is the thread's own context, which tasks spawned there inherit.
//! Callbacks of `call_soon` and timers run in that one, not in a copy of their creator's as in
//! asyncio: capture what they need, or run them in a [`copy_context`] by [`Context::run`].

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::task::cell::TaskRef;
use crate::task::current_ref;

thread_local! {
    /// Whether this thread ever set a variable: as long as it didn't, all contexts are empty.
    static USED: Cell<bool> = const { Cell::new(false) };
    /// The contexts entered by [`Context::run`], innermost last, each with the number of the task that
    /// did it, 0 if none did. They are that task's; one that it starts eagerly, or a loop that it
    /// runs, has its own.
    static ENTERED: RefCell<Vec<(u64, Context)>> = const { RefCell::new(Vec::new()) };
    /// What applies outside of any task.
    static OUTSIDE: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// A variable whose value belongs to the current context. Declared as a `static`; asyncio's
/// `ContextVar`.
///
/// ```
/// use bucle_loop::{ContextVar, spawn};
///
/// static REQUEST: ContextVar<u32> = ContextVar::new("request");
///
/// bucle_loop::run(async {
///     REQUEST.set(7);
///     let child = spawn(async {
///         assert_eq!(REQUEST.get(), Some(7), "inherited");
///         REQUEST.set(8);
///     });
///     child.await.unwrap();
///     assert_eq!(REQUEST.get(), Some(7), "the child changed its own");
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ContextVar<T: 'static> {
    name: &'static str,
    default: Option<fn() -> T>,
    /// Values never cross threads: each thread's contexts are its own.
    value: PhantomData<fn(T) -> T>,
}

impl<T: Clone + 'static> ContextVar<T> {
    /// A variable without a default; the name is for reports.
    pub const fn new(name: &'static str) -> ContextVar<T> {
        ContextVar {
            name,
            default: None,
            value: PhantomData,
        }
    }

    /// A variable that has the value of `default` where none is set.
    pub const fn with_default(name: &'static str, default: fn() -> T) -> ContextVar<T> {
        ContextVar {
            name,
            default: Some(default),
            value: PhantomData,
        }
    }

    /// The name given.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The value in the current context, or the default; `None` if there is neither (asyncio's
    /// `LookupError`).
    pub fn get(&'static self) -> Option<T> {
        let set = current().and_then(|context| self.value_in(&context));
        set.or_else(|| self.default.map(|default| default()))
    }

    /// The value in `context`, without the default.
    pub fn value_in(&'static self, context: &Context) -> Option<T> {
        let value = context.lookup(self.key())?;
        value.downcast_ref::<T>().cloned()
    }

    /// Sets the value in the current context, and returns what [`reset`](ContextVar::reset) needs
    /// to put the old one back.
    pub fn set(&'static self, value: T) -> ContextToken<T> {
        let context = current_or_new();
        let before = context.insert(self.key(), Some(Rc::new(value)));
        ContextToken {
            variable: self.key(),
            before,
            context,
            value: PhantomData,
        }
    }

    /// Puts back the value, or the lack of one, that [`set`](ContextVar::set) found.
    ///
    /// # Errors
    /// [`ContextTokenError`] if the token is another variable's, or was made in another context
    /// than the current one; nothing changes then.
    pub fn reset(&'static self, token: ContextToken<T>) -> Result<(), ContextTokenError> {
        if token.variable != self.key() {
            return Err(ContextTokenError::OtherVariable);
        }
        if !current().is_some_and(|current| Rc::ptr_eq(&current.values, &token.context.values)) {
            return Err(ContextTokenError::OtherContext);
        }
        let replaced = token.context.insert(self.key(), token.before);
        drop(replaced);
        Ok(())
    }

    /// A static's address: each has its own, as none is without size.
    fn key(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<T> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContextVar").field(&self.name).finish()
    }
}

/// What [`ContextVar::set`] found; for [`ContextVar::reset`], once.
pub struct ContextToken<T> {
    variable: usize,
    before: Option<Value>,
    context: Context,
    value: PhantomData<T>,
}

impl<T> fmt::Debug for ContextToken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextToken")
            .field("had_value", &self.before.is_some())
            .finish_non_exhaustive()
    }
}

/// A token that doesn't fit: see [`ContextVar::reset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextTokenError {
    /// It was made by another variable's `set`.
    OtherVariable,
    /// It was made in another context.
    OtherContext,
}

impl fmt::Display for ContextTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ContextTokenError::OtherVariable => "the token was made by another variable",
            ContextTokenError::OtherContext => {
                "the token was made in another context; reset it in the task that made it"
            }
        })
    }
}

impl Error for ContextTokenError {}

type Value = Rc<dyn Any>;

/// Sorted by key. Few variables are ever set; a search is a few comparisons.
type Map = Vec<(usize, Value)>;

/// The values of all variables, for one task or one call. Clones are the same context; a copy is
/// [`Context::copy`].
#[derive(Clone, Default)]
pub struct Context {
    values: Rc<RefCell<Rc<Map>>>,
}

impl Context {
    /// An empty context.
    pub fn new() -> Context {
        Context::default()
    }

    /// A context with the same values, which then goes its own way. Copies nothing but a pointer.
    #[must_use]
    pub fn copy(&self) -> Context {
        let map = self.values.borrow().clone();
        Context {
            values: Rc::new(RefCell::new(map)),
        }
    }

    /// Calls `body` with this as the current context: what it sets stays here. Tasks that are polled
    /// meanwhile have their own, as ever.
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                let left = ENTERED.try_with(|entered| entered.borrow_mut().pop());
                drop(left);
            }
        }
        let who = number_of(current_ref().as_ref());
        ENTERED.with(|entered| entered.borrow_mut().push((who, self.clone())));
        let _leave = Leave;
        body()
    }

    /// How many variables have a value.
    pub fn len(&self) -> usize {
        self.values.borrow().len()
    }

    /// Whether no variable has a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lookup(&self, key: usize) -> Option<Value> {
        let map = self.values.borrow();
        let place = map.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(map[place].1.clone())
    }

    /// Sets or removes; the value before.
    fn insert(&self, key: usize, value: Option<Value>) -> Option<Value> {
        let mut values = self.values.borrow_mut();
        // Shared with copies: they keep the old map.
        let map = Rc::make_mut(&mut *values);
        match (map.binary_search_by_key(&key, |(key, _)| *key), value) {
            (Ok(place), Some(value)) => Some(std::mem::replace(&mut map[place].1, value)),
            (Ok(place), None) => Some(map.remove(place).1),
            (Err(place), Some(value)) => {
                USED.set(true);
                map.insert(place, (key, value));
                None
            }
            (Err(_), None) => None,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("len", &self.len()).finish()
    }
}

/// A copy of the current context.
pub fn copy_context() -> Context {
    current().map_or_else(Context::new, |context| context.copy())
}

/// The context that applies here, if one was ever needed.
fn current() -> Option<Context> {
    let task = current_ref();
    let who = number_of(task.as_ref());
    let entered = ENTERED.try_with(|entered| match entered.borrow().last() {
        Some((by, context)) if *by == who => Some(context.clone()),
        _ => None,
    });
    if let Some(context) = entered.ok().flatten() {
        return Some(context);
    }
    match task {
        Some(task) => task.context(),
        None => OUTSIDE
            .try_with(|outside| outside.borrow().clone())
            .ok()
            .flatten(),
    }
}

fn number_of(task: Option<&TaskRef>) -> u64 {
    task.map_or(0, TaskRef::id)
}

fn current_or_new() -> Context {
    if let Some(context) = current() {
        return context;
    }
    let context = Context::default();
    match current_ref() {
        Some(task) => drop(task.set_context(context.clone())),
        None => OUTSIDE.with(|outside| drop(outside.replace(Some(context.clone())))),
    }
    context
}

/// What a task that is spawned now starts with; `None` where nothing was ever set.
#[inline]
pub(crate) fn inherited() -> Option<Context> {
    if !USED.get() {
        return None;
    }
    let context = current()?;
    (!context.is_empty()).then(|| context.copy())
}
