/*
 * What ThreadSanitizer shall not report. It asks for this function by its name; other builds ignore it.
 *
 * libev does not remove a stopped descriptor from its epoll set. When the descriptor's owner closes it, or its peer, an event may
 * still come, and only then libev calls epoll_ctl, on a number that is being closed or used again. It checks for that and copes.
 * The whole library is named and not that call alone, since for a call's name a symbolizer would be started, which a LeakCheck sees.
 */
extern "C" __attribute__((visibility("default"), used)) const char *__tsan_default_suppressions();

extern "C" const char *__tsan_default_suppressions() {
    return "called_from_lib:libev.so\n";
}
