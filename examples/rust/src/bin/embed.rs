// SPDX-License-Identifier: Apache-2.0
//! A relay inside a Rust program: embed CONFIG COUNT relays until COUNT events are published.
//! Build it without Cargo: rustc embed.rs -l outbox

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::time::{Duration, Instant};

/// The C API, as far as it is used here. Structures are passed with their size, so later members may be left out.
mod outbox {
    use super::*;

    #[repr(C)]
    pub struct Options {
        pub struct_size: usize,
        pub config_path: *const c_char,
        pub config_text: *const c_char,
        pub relay: *const c_char,
        pub plugin_dir: *const c_char,
        pub log_level: c_int,
        pub on_state: Option<extern "C" fn(*mut c_void, c_int, *const c_char)>,
        pub on_log: Option<extern "C" fn(*mut c_void, c_int, *const c_char, *const c_char)>,
        pub arg: *mut c_void,
    }
    #[repr(C)]
    pub struct Error {
        pub code: i32,
        pub native: i32,
        pub state: [c_char; 8],
        pub text: [c_char; 384],
    }
    #[repr(C)]
    #[derive(Default)]
    pub struct Stats {
        pub struct_size: usize,
        pub state: c_int,
        pub in_flight: u32,
        pub in_flight_bytes: u64,
        pub claimed: u64,
        pub delivered: u64,
        pub settled: u64,
    }
    #[link(name = "outbox")]
    extern "C" {
        pub fn outbox_new(options: *const Options, relay: *mut *mut c_void, error: *mut Error) -> c_int;
        pub fn outbox_start(relay: *mut c_void, error: *mut Error) -> c_int;
        pub fn outbox_stop(relay: *mut c_void, deadline_ms: u32, error: *mut Error) -> c_int;
        pub fn outbox_free(relay: *mut c_void);
        pub fn outbox_stats(relay: *mut c_void, stats: *mut Stats) -> c_int;
    }
}

struct Relay(*mut c_void);

impl Relay {
    fn start(config: &str) -> Result<Relay, String> {
        let path = CString::new(config).map_err(|error| error.to_string())?;
        let none = std::ptr::null();
        let options = outbox::Options {
            struct_size: std::mem::size_of::<outbox::Options>(),
            config_path: path.as_ptr(),
            config_text: none,
            relay: none,
            plugin_dir: none,
            log_level: 0,
            on_state: None,
            on_log: None,
            arg: std::ptr::null_mut(),
        };
        let mut error = outbox::Error { code: 0, native: 0, state: [0; 8], text: [0; 384] };
        let mut handle = std::ptr::null_mut();
        // SAFETY: all pointers are valid during the calls, and an error's text ends with a NUL.
        unsafe {
            if outbox::outbox_new(&options, &mut handle, &mut error) != 0 {
                return Err(CStr::from_ptr(error.text.as_ptr()).to_string_lossy().into_owned());
            }
            let relay = Relay(handle);
            if outbox::outbox_start(relay.0, &mut error) != 0 {
                return Err(CStr::from_ptr(error.text.as_ptr()).to_string_lossy().into_owned());
            }
            Ok(relay)
        }
    }

    fn published(&self) -> u64 {
        let mut stats = outbox::Stats { struct_size: std::mem::size_of::<outbox::Stats>(), ..Default::default() };
        // SAFETY: the handle is valid, and the library writes no more than struct_size bytes.
        unsafe { outbox::outbox_stats(self.0, &mut stats) };
        stats.settled
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // SAFETY: the handle is valid, and is not used after this.
        unsafe {
            outbox::outbox_stop(self.0, 10000, std::ptr::null_mut());
            outbox::outbox_free(self.0);
        }
    }
}

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, config, count] = arguments.as_slice() else {
        return Err("usage: embed CONFIG COUNT".into());
    };
    let count: u64 = count.parse().map_err(|_| "COUNT is no number".to_string())?;
    let relay = Relay::start(config)?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while relay.published() < count && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("published {}", relay.published());
    Ok(())
}
