//! [`StatusCode`]: the status codes of RFC 9110 section 15 and their reason phrases.

use std::fmt;

/// A three-digit status code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

/// One table for the constants, the reason phrases and the ready-made status lines.
macro_rules! status_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal;)*) => {
        impl StatusCode {
            $($(#[$doc])* pub const $name: StatusCode = StatusCode($code);)*

            /// Its reason phrase as registered; empty for a code that has none here.
            pub const fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "",
                }
            }

            /// Its whole status line, line break included, if the code is one of the constants.
            #[inline]
            pub const fn line(self) -> Option<&'static [u8]> {
                Some(match self.0 {
                    $($code => concat!("HTTP/1.1 ", $code, " ", $reason, "\r\n").as_bytes(),)*
                    _ => return None,
                })
            }

            /// All the constants, in the order of their codes.
            pub const REGISTERED: &[StatusCode] = &[$(StatusCode::$name),*];
        }
    };
}

status_codes! {
    /// RFC 9110 section 15.2.1.
    CONTINUE = 100, "Continue";
    /// RFC 9110 section 15.2.2.
    SWITCHING_PROTOCOLS = 101, "Switching Protocols";
    /// RFC 8297.
    EARLY_HINTS = 103, "Early Hints";
    /// RFC 9110 section 15.3.1.
    OK = 200, "OK";
    /// RFC 9110 section 15.3.2.
    CREATED = 201, "Created";
    /// RFC 9110 section 15.3.3.
    ACCEPTED = 202, "Accepted";
    /// RFC 9110 section 15.3.4.
    NON_AUTHORITATIVE_INFORMATION = 203, "Non-Authoritative Information";
    /// RFC 9110 section 15.3.5.
    NO_CONTENT = 204, "No Content";
    /// RFC 9110 section 15.3.6.
    RESET_CONTENT = 205, "Reset Content";
    /// RFC 9110 section 15.3.7.
    PARTIAL_CONTENT = 206, "Partial Content";
    /// RFC 9110 section 15.4.1.
    MULTIPLE_CHOICES = 300, "Multiple Choices";
    /// RFC 9110 section 15.4.2.
    MOVED_PERMANENTLY = 301, "Moved Permanently";
    /// RFC 9110 section 15.4.3.
    FOUND = 302, "Found";
    /// RFC 9110 section 15.4.4.
    SEE_OTHER = 303, "See Other";
    /// RFC 9110 section 15.4.5.
    NOT_MODIFIED = 304, "Not Modified";
    /// RFC 9110 section 15.4.8.
    TEMPORARY_REDIRECT = 307, "Temporary Redirect";
    /// RFC 9110 section 15.4.9.
    PERMANENT_REDIRECT = 308, "Permanent Redirect";
    /// RFC 9110 section 15.5.1.
    BAD_REQUEST = 400, "Bad Request";
    /// RFC 9110 section 15.5.2.
    UNAUTHORIZED = 401, "Unauthorized";
    /// RFC 9110 section 15.5.3.
    PAYMENT_REQUIRED = 402, "Payment Required";
    /// RFC 9110 section 15.5.4.
    FORBIDDEN = 403, "Forbidden";
    /// RFC 9110 section 15.5.5.
    NOT_FOUND = 404, "Not Found";
    /// RFC 9110 section 15.5.6.
    METHOD_NOT_ALLOWED = 405, "Method Not Allowed";
    /// RFC 9110 section 15.5.7.
    NOT_ACCEPTABLE = 406, "Not Acceptable";
    /// RFC 9110 section 15.5.8.
    PROXY_AUTHENTICATION_REQUIRED = 407, "Proxy Authentication Required";
    /// RFC 9110 section 15.5.9.
    REQUEST_TIMEOUT = 408, "Request Timeout";
    /// RFC 9110 section 15.5.10.
    CONFLICT = 409, "Conflict";
    /// RFC 9110 section 15.5.11.
    GONE = 410, "Gone";
    /// RFC 9110 section 15.5.12.
    LENGTH_REQUIRED = 411, "Length Required";
    /// RFC 9110 section 15.5.13.
    PRECONDITION_FAILED = 412, "Precondition Failed";
    /// RFC 9110 section 15.5.14.
    CONTENT_TOO_LARGE = 413, "Content Too Large";
    /// RFC 9110 section 15.5.15.
    URI_TOO_LONG = 414, "URI Too Long";
    /// RFC 9110 section 15.5.16.
    UNSUPPORTED_MEDIA_TYPE = 415, "Unsupported Media Type";
    /// RFC 9110 section 15.5.17.
    RANGE_NOT_SATISFIABLE = 416, "Range Not Satisfiable";
    /// RFC 9110 section 15.5.18.
    EXPECTATION_FAILED = 417, "Expectation Failed";
    /// RFC 9110 section 15.5.20.
    MISDIRECTED_REQUEST = 421, "Misdirected Request";
    /// RFC 9110 section 15.5.21.
    UNPROCESSABLE_CONTENT = 422, "Unprocessable Content";
    /// RFC 8470.
    TOO_EARLY = 425, "Too Early";
    /// RFC 9110 section 15.5.22.
    UPGRADE_REQUIRED = 426, "Upgrade Required";
    /// RFC 6585 section 3.
    PRECONDITION_REQUIRED = 428, "Precondition Required";
    /// RFC 6585 section 4.
    TOO_MANY_REQUESTS = 429, "Too Many Requests";
    /// RFC 6585 section 5.
    REQUEST_HEADER_FIELDS_TOO_LARGE = 431, "Request Header Fields Too Large";
    /// RFC 9110 section 15.6.1.
    INTERNAL_SERVER_ERROR = 500, "Internal Server Error";
    /// RFC 9110 section 15.6.2.
    NOT_IMPLEMENTED = 501, "Not Implemented";
    /// RFC 9110 section 15.6.3.
    BAD_GATEWAY = 502, "Bad Gateway";
    /// RFC 9110 section 15.6.4.
    SERVICE_UNAVAILABLE = 503, "Service Unavailable";
    /// RFC 9110 section 15.6.5.
    GATEWAY_TIMEOUT = 504, "Gateway Timeout";
    /// RFC 9110 section 15.6.6.
    HTTP_VERSION_NOT_SUPPORTED = 505, "HTTP Version Not Supported";
    /// RFC 4918 section 11.5.
    INSUFFICIENT_STORAGE = 507, "Insufficient Storage";
}

impl StatusCode {
    /// The status with this code; `None` outside 100 to 999.
    pub const fn from_u16(code: u16) -> Option<StatusCode> {
        if matches!(code, 100..=999) {
            Some(StatusCode(code))
        } else {
            None
        }
    }

    /// The code.
    #[inline]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether an answer with this status can carry a body at all: all but 1xx, 204 and 304
    /// (RFC 9110 section 6.4.1).
    #[inline]
    pub const fn may_have_body(self) -> bool {
        !matches!(self.0, 100..=199 | 204 | 304)
    }

    /// 1xx: another answer follows.
    pub const fn is_informational(self) -> bool {
        matches!(self.0, 100..=199)
    }

    /// 2xx.
    pub const fn is_success(self) -> bool {
        matches!(self.0, 200..=299)
    }

    /// 3xx.
    pub const fn is_redirection(self) -> bool {
        matches!(self.0, 300..=399)
    }

    /// 4xx.
    pub const fn is_client_error(self) -> bool {
        matches!(self.0, 400..=499)
    }

    /// 5xx.
    pub const fn is_server_error(self) -> bool {
        matches!(self.0, 500..=599)
    }
}

impl Default for StatusCode {
    fn default() -> StatusCode {
        StatusCode::OK
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The code and its reason phrase, as `404 Not Found`.
impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "" => write!(f, "{}", self.0),
            reason => write!(f, "{} {reason}", self.0),
        }
    }
}
