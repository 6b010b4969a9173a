/*
 * Waits for many descriptors in Node's event loop. libuv makes each descriptor that it watches
 * non-blocking, for all processes that share it. So it watches one epoll instance alone, which has
 * the others.
 *
 * A queue that instances share is not among them. A message there is to wake one instance, not all.
 * The kernel does that (EPOLLEXCLUSIVE, epoll_ctl(2)) only for the epoll instance in which the
 * process sleeps. That is libuv's, and libuv has no function for it. So the queue is added to
 * libuv's epoll instance here. In every version 1.x, libuv finds its watcher by the number in
 * epoll_event.data.fd. There the queue has the number of the stand-in, an eventfd that libuv
 * watches and that never has an event of its own.
 */
/* dup3() */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "calls.h"
#include "passenger_native.h"

/* Events of one turn of the loop. The tag of shared queues. */
enum { MOST_EVENTS = 64, SHARED = 0 };

static int poller = -1;
static uv_poll_t *watcher;
static uv_loop_t *event_loop;
static int stand_in = -1;
static uv_poll_t *shared_watcher;
static napi_env loop_env;
static napi_ref callback;
static napi_async_context context;
/* Pairs: what add() was told, and the events. JavaScript sees it. */
static uint32_t *news;

/* Calls JavaScript with the first `count` pairs of the news. */
static void tell(int count) {
    napi_handle_scope scope;
    napi_value receiver, function, argument;
    napi_open_handle_scope(loop_env, &scope);
    napi_get_global(loop_env, &receiver);
    napi_get_reference_value(loop_env, callback, &function);
    napi_create_int32(loop_env, count, &argument);
    if (napi_make_callback(loop_env, context, receiver, function, 1, &argument, NULL) == napi_pending_exception) {
        napi_value error;
        napi_get_and_clear_last_exception(loop_env, &error);
        napi_fatal_exception(loop_env, error);
    }
    napi_close_handle_scope(loop_env, scope);
}

static void look(uv_poll_t *handle, int status, int events) {
    (void)handle;
    (void)status;
    (void)events;
    if (loop_env == NULL) {
        return;
    }
    struct epoll_event found[MOST_EVENTS];
    const int count = epoll_wait(poller, found, MOST_EVENTS, 0);
    for (int i = 0; i < count; i++) {
        news[2 * i] = found[i].data.u32;
        news[2 * i + 1] = found[i].events;
    }
    if (count > 0) {
        tell(count);
    }
}

static void look_shared(uv_poll_t *handle, int status, int events) {
    (void)events;
    if (loop_env == NULL) {
        return;
    }
    if (status != 0) {
        /* A queue has an error, and libuv has stopped. The next receive() takes the error. */
        uv_poll_start(handle, UV_READABLE, look_shared);
    }
    news[0] = SHARED;
    news[1] = EPOLLIN;
    tell(1);
}

/* Node ends this environment. Its loop still closes handles, but JavaScript must not run. */
static void stop(void *data) {
    (void)data;
    uv_poll_stop(watcher);
    if (shared_watcher != NULL) {
        uv_poll_stop(shared_watcher);
    }
    loop_env = NULL;
}

/* libuv watches the stand-in. False: another version may find its watchers in another way, or an
 * error came. */
static bool have_stand_in(void) {
    if (stand_in >= 0 || uv_version() >> 16 != 1) {
        return stand_in >= 0;
    }
    const int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    uv_poll_t *handle = malloc(uv_handle_size(UV_POLL));
    if (made < 0 || handle == NULL || uv_poll_init(event_loop, handle, made) != 0) {
        free(handle);
        if (made >= 0) {
            close(made);
        }
        return false;
    }
    stand_in = made;
    shared_watcher = handle;
    uv_unref((uv_handle_t *)handle);
    return uv_poll_start(handle, UV_READABLE, look_shared) == 0;
}

/* openPoller(callback): calls it with a number of pairs in the array that this returns. The loop
 * may end meanwhile. */
static napi_value open_poller(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    napi_value name, memory, result;
    void *data = NULL;
    poller = epoll_create1(EPOLL_CLOEXEC);
    watcher = malloc(uv_handle_size(UV_POLL));
    if (poller < 0 || watcher == NULL) {
        return fail(env, "epoll", errno);
    }
    loop_env = env;
    if (napi_get_uv_event_loop(env, &event_loop) != napi_ok ||
        napi_create_reference(env, arguments.values[0], 1, &callback) != napi_ok ||
        napi_create_string_utf8(env, "PASSENGER", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_async_init(env, NULL, name, &context) != napi_ok ||
        napi_create_arraybuffer(env, sizeof(uint32_t) * 2 * MOST_EVENTS, &data, &memory) != napi_ok ||
        napi_create_typedarray(env, napi_uint32_array, (size_t)2 * MOST_EVENTS, memory, 0, &result) != napi_ok) {
        return fail(env, "the event loop", EINVAL);
    }
    news = data;
    const int error = uv_poll_init(event_loop, watcher, poller);
    if (error != 0 || uv_poll_start(watcher, UV_READABLE, look) != 0) {
        return fail(env, "the event loop", -error);
    }
    napi_add_env_cleanup_hook(env, stop, NULL);
    uv_unref((uv_handle_t *)watcher);
    return result;
}

/* keepLoop(keeps): whether the event loop goes on while only the poller waits. */
static napi_value keep_loop(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    bool keeps = false;
    napi_get_value_bool(env, arguments.values[0], &keeps);
    if (keeps) {
        uv_ref((uv_handle_t *)watcher);
    } else {
        uv_unref((uv_handle_t *)watcher);
    }
    return NULL;
}

/* 0, or a negated value of errno. */
static napi_value control(napi_env env, napi_callback_info info, int operation) {
    const arguments_t arguments = arguments_of(env, info);
    struct epoll_event event = {.events = (uint32_t)number_at(&arguments, 1),
                                .data = {.u32 = (uint32_t)number_at(&arguments, 2)}};
    return number(env, epoll_ctl(poller, operation, (int)number_at(&arguments, 0), &event) != 0 ? -errno : 0);
}

/* watch(descriptor, events, tag) */
static napi_value watch(napi_env env, napi_callback_info info) {
    return control(env, info, EPOLL_CTL_ADD);
}

/* watchFor(descriptor, events, tag): other events. */
static napi_value watch_for(napi_env env, napi_callback_info info) {
    return control(env, info, EPOLL_CTL_MOD);
}

/*
 * watchShared(descriptor): a queue from which other processes take messages, too. Its events have
 * the tag SHARED, whichever queue it is. 0, or a negated value of errno.
 */
static napi_value watch_shared(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    if (!have_stand_in()) {
        return number(env, -ENOSYS);
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data = {.fd = stand_in}};
    const int result = epoll_ctl(uv_backend_fd(event_loop), EPOLL_CTL_ADD, (int)number_at(&arguments, 0), &event);
    return number(env, result != 0 ? -errno : 0);
}

/* unwatchShared(descriptor) */
static napi_value unwatch_shared(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    struct epoll_event none = {0};
    const int result = epoll_ctl(uv_backend_fd(event_loop), EPOLL_CTL_DEL, (int)number_at(&arguments, 0), &none);
    return number(env, result != 0 ? -errno : 0);
}

/* unwatch(descriptor): before it is closed, since other processes share it. */
static napi_value unwatch(napi_env env, napi_callback_info info) {
    return control(env, info, EPOLL_CTL_DEL);
}

/*
 * replace(descriptor, other): `descriptor`, which a stream of libuv has, becomes another name of
 * the open file of `other`, which is closed. The stream does not read at this moment, and writes
 * nothing. libuv then forgets what it watched, and watches the descriptor anew when the stream
 * reads on. The kernel would remember a file that another process has, too.
 */
static napi_value replace(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    const int descriptor = (int)number_at(&arguments, 0);
    const int other = (int)number_at(&arguments, 1);
    struct epoll_event none = {0};
    epoll_ctl(uv_backend_fd(event_loop), EPOLL_CTL_DEL, descriptor, &none);
    /* libuv expects it. */
    const int flags = fcntl(other, F_GETFL);
    const bool replaced =
        flags >= 0 && fcntl(other, F_SETFL, flags | O_NONBLOCK) == 0 && dup3(other, descriptor, O_CLOEXEC) >= 0;
    const int error = replaced ? 0 : errno;
    close(other);
    return number(env, -error);
}

bool add_poller(napi_env env, napi_value exports) {
    return add_function(env, exports, "openPoller", open_poller) && add_function(env, exports, "keepLoop", keep_loop) &&
           add_function(env, exports, "watch", watch) && add_function(env, exports, "watchFor", watch_for) &&
           add_function(env, exports, "watchShared", watch_shared) &&
           add_function(env, exports, "unwatchShared", unwatch_shared) &&
           add_function(env, exports, "unwatch", unwatch) && add_function(env, exports, "replace", replace);
}
