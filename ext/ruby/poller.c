/*
 * PhusionPassenger::Native::Poller tells by epoll(7) which of many descriptors are ready.
 * lib/passenger/http/poller.rb describes the methods. A watched descriptor without events costs
 * nothing.
 */
#include "passenger_native.h" /* First: ruby/thread.h of Ruby 3.3 needs what ruby.h declares. */

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <ruby/thread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* One wait returns at most so many events; the next one returns the others. */
enum { EVENTS = 256 };

/* The watched object of a descriptor and its events; 0: not watched. */
typedef struct {
    VALUE thing;
    uint32_t events;
} watch_t;

typedef struct {
    int epoll;
    int room;
    watch_t *watches;
    /* Members of the current wait: */
    int timeout;
    int ready;
    int error;
    struct epoll_event events[EVENTS];
} poller_t;

static void poller_mark(void *data) {
    const poller_t *poller = data;
    for (int i = 0; i < poller->room; i++) {
        if (poller->watches[i].events != 0) {
            rb_gc_mark(poller->watches[i].thing);
        }
    }
}

static void poller_free(void *data) {
    poller_t *poller = data;
    if (poller->epoll >= 0) {
        close(poller->epoll);
    }
    xfree(poller->watches);
    xfree(poller);
}

static const rb_data_type_t poller_type = {
    .wrap_struct_name = "PhusionPassenger::Native::Poller",
    .function = {.dmark = poller_mark, .dfree = poller_free},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static VALUE poller_allocate(VALUE class) {
    poller_t *poller;
    VALUE self = TypedData_Make_Struct(class, poller_t, &poller_type, poller);
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll < 0) {
        rb_sys_fail("epoll_create1(2)");
    }
    return self;
}

static poller_t *poller_of(VALUE self) {
    poller_t *poller;
    TypedData_Get_Struct(self, poller_t, &poller_type, poller);
    return poller;
}

static int descriptor_of_thing(VALUE thing) {
    const int descriptor = NUM2INT(rb_funcall(thing, rb_intern("fileno"), 0));
    if (descriptor < 0) {
        rb_raise(rb_eArgError, "negative descriptor: %d", descriptor);
    }
    return descriptor;
}

static watch_t *watch_at(poller_t *poller, int descriptor) {
    if (descriptor >= poller->room) {
        const int room = descriptor + 64;
        REALLOC_N(poller->watches, watch_t, room);
        memset(poller->watches + poller->room, 0, (size_t)(room - poller->room) * sizeof(watch_t));
        poller->room = room;
    }
    return &poller->watches[descriptor];
}

static VALUE watch(VALUE self, VALUE thing, uint32_t events) {
    poller_t *const poller = poller_of(self);
    const int descriptor = descriptor_of_thing(thing);
    watch_t *const before = watch_at(poller, descriptor);
    if (before->events != events) {
        struct epoll_event event = {.events = events, .data.fd = descriptor};
        if (epoll_ctl(poller->epoll, before->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event) != 0) {
            rb_sys_fail("epoll_ctl(2)");
        }
    }
    before->events = events;
    before->thing = thing;
    return Qnil;
}

static VALUE poller_read(VALUE self, VALUE thing) {
    return watch(self, thing, EPOLLIN);
}

static VALUE poller_write(VALUE self, VALUE thing) {
    return watch(self, thing, EPOLLOUT);
}

/*
 * Removes the descriptor explicitly. Closing it is not enough if another process has the same open
 * file.
 */
static VALUE poller_forget(VALUE self, VALUE thing) {
    poller_t *const poller = poller_of(self);
    const int descriptor = descriptor_of_thing(thing);
    watch_t *const before = watch_at(poller, descriptor);
    if (before->events != 0) {
        epoll_ctl(poller->epoll, EPOLL_CTL_DEL, descriptor, NULL);
        before->events = 0;
    }
    return Qnil;
}

static void *wait_for_events(void *data) {
    poller_t *const poller = data;
    poller->ready = epoll_wait(poller->epoll, poller->events, EVENTS, poller->timeout);
    poller->error = errno;
    return NULL;
}

/* Releases the interpreter's lock only if it has to wait. */
static VALUE poller_wait(VALUE self, VALUE seconds) {
    poller_t *const poller = poller_of(self);
    poller->timeout = 0;
    wait_for_events(poller);
    if (poller->ready == 0 && (NIL_P(seconds) || NUM2DBL(seconds) > 0)) {
        poller->timeout = NIL_P(seconds) ? -1 : (int)fmin(ceil(NUM2DBL(seconds) * 1000), INT_MAX);
        rb_thread_call_without_gvl(wait_for_events, poller, RUBY_UBF_IO, NULL);
    }
    if (poller->ready < 0 && poller->error != EINTR) {
        rb_syserr_fail(poller->error, "epoll_wait(2)");
    }
    VALUE things = rb_ary_new_capa(poller->ready > 0 ? poller->ready : 0);
    for (int i = 0; i < poller->ready; i++) {
        const int descriptor = poller->events[i].data.fd;
        if (descriptor < poller->room && poller->watches[descriptor].events != 0) {
            rb_ary_push(things, poller->watches[descriptor].thing);
        }
    }
    return things;
}

static VALUE poller_close(VALUE self) {
    poller_t *const poller = poller_of(self);
    if (poller->epoll >= 0) {
        close(poller->epoll);
    }
    poller->epoll = -1;
    return Qnil;
}

void define_poller(VALUE module) {
    VALUE class = rb_define_class_under(module, "Poller", rb_cObject);
    rb_define_alloc_func(class, poller_allocate);
    rb_define_method(class, "read", poller_read, 1);
    rb_define_method(class, "write", poller_write, 1);
    rb_define_method(class, "forget", poller_forget, 1);
    rb_define_method(class, "wait", poller_wait, 1);
    rb_define_method(class, "close", poller_close, 0);
}
