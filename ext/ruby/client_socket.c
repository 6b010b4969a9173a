/*
 * PhusionPassenger::Native::ClientSocket is a client's connection without a Ruby IO. Making and
 * closing an IO costs more than a small request. lib/passenger/http/client_socket.rb describes the
 * methods. No method waits.
 */
#include "passenger_native.h" /* First: it says that this is GNU. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"

/* PEER_LIMIT: a message between workers has room for the deadline and so many bytes. */
enum { PIECE = 16384, PEER_LIMIT = 248 };

/* `descriptor`: -1 when closed. `io`: the IO that to_io made, which owns the descriptor; or nil. */
typedef struct {
    int descriptor;
    VALUE io;
} client_socket_t;

static VALUE client_socket_class;

static void client_socket_mark(void *data) {
    rb_gc_mark(((const client_socket_t *)data)->io);
}

static void client_socket_free(void *data) {
    const client_socket_t *socket = data;
    if (socket->descriptor >= 0 && NIL_P(socket->io)) {
        close(socket->descriptor);
    }
    xfree(data);
}

static const rb_data_type_t client_socket_type = {
    .wrap_struct_name = "PhusionPassenger::Native::ClientSocket",
    .function = {.dmark = client_socket_mark, .dfree = client_socket_free},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static client_socket_t *client_socket_of(VALUE self) {
    client_socket_t *socket;
    TypedData_Get_Struct(self, client_socket_t, &client_socket_type, socket);
    return socket;
}

/* -1: closed. The application may have closed the IO. */
static int descriptor_or_none(VALUE self) {
    const client_socket_t *const socket = client_socket_of(self);
    return NIL_P(socket->io) || !RTEST(rb_funcall(socket->io, rb_intern("closed?"), 0)) ? socket->descriptor : -1;
}

static int open_descriptor(VALUE self) {
    const int descriptor = descriptor_or_none(self);
    if (descriptor < 0) {
        rb_raise(rb_eIOError, "closed socket");
    }
    return descriptor;
}

/* Called before the descriptor exists: a failed allocation would leak it. */
static VALUE make(void) {
    client_socket_t *socket;
    VALUE self = TypedData_Make_Struct(client_socket_class, client_socket_t, &client_socket_type, socket);
    socket->descriptor = -1;
    socket->io = Qnil;
    return self;
}

/* False: the client has gone. Raises every other error. */
static VALUE gone(const char *what) {
    switch (errno) {
        case EPIPE:
        case ECONNRESET:
        case ENOTCONN:
        case ETIMEDOUT:
        case EHOSTUNREACH:
        case ENETUNREACH: return Qfalse;
        default: rb_sys_fail(what);
    }
}

static bool would_wait(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static VALUE peer_name(const struct sockaddr_storage *address, socklen_t size) {
    char name[NI_MAXHOST];
    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, name, sizeof name);
        return rb_str_new_cstr(name);
    }
    if (address->ss_family == AF_INET6 &&
        getnameinfo((const struct sockaddr *)address, size, name, sizeof name, NULL, 0, NI_NUMERICHOST) == 0) {
        /* An IPv4 client of a socket for both families has its own address, as with httpd. */
        const bool is_mapped = IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)address)->sin6_addr);
        return rb_str_new_cstr(name + (is_mapped ? strlen("::ffff:") : 0));
    }
    return Qnil;
}

static VALUE accept_one(VALUE class, VALUE listener) {
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    VALUE self = make();
    (void)class;
    const int descriptor =
        accept4(descriptor_of(listener), (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) {
        if (would_wait()) {
            return Qnil;
        }
        rb_sys_fail("accept(2)");
    }
    client_socket_of(self)->descriptor = descriptor;
    return rb_assoc_new(self, peer_name(&address, size));
}

static VALUE client_socket_receive(VALUE self) {
    char bytes[PIECE];
    const int descriptor = descriptor_or_none(self);
    const ssize_t size = descriptor < 0 ? 0 : recv(descriptor, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) {
        return rb_str_new(bytes, size);
    }
    if (size == 0) {
        return Qfalse;
    }
    return would_wait() ? Qnil : gone("recv(2)");
}

static VALUE client_socket_more(VALUE self) {
    char byte;
    const int descriptor = descriptor_or_none(self);
    return descriptor >= 0 && recv(descriptor, &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0 ? Qtrue : Qfalse;
}

static VALUE client_socket_transmit(VALUE self, VALUE bytes) {
    Check_Type(bytes, T_STRING);
    const int descriptor = descriptor_or_none(self);
    if (descriptor < 0) {
        return Qfalse;
    }
    const ssize_t size = send(descriptor, RSTRING_PTR(bytes), (size_t)RSTRING_LEN(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0) {
        return LONG2NUM(size);
    }
    return would_wait() ? Qnil : gone("send(2)");
}

/* Ruby may run another thread while the IO is made. If that thread makes an IO, too, or closes the
 * socket, the IO made here must not own the descriptor. The collector would close a number that is
 * another connection's by then. */
static VALUE client_socket_to_io(VALUE self) {
    client_socket_t *const socket = client_socket_of(self);
    if (NIL_P(socket->io)) {
        const int descriptor = open_descriptor(self);
        const VALUE io = rb_funcall(rb_path2class("Socket"), rb_intern("for_fd"), 1, INT2NUM(descriptor));
        if (NIL_P(socket->io) && socket->descriptor == descriptor) {
            socket->io = io;
        } else {
            rb_funcall(io, rb_intern("autoclose="), 1, Qfalse);
            if (NIL_P(socket->io)) {
                rb_raise(rb_eIOError, "closed socket");
            }
        }
    }
    return socket->io;
}

static VALUE client_socket_fileno(VALUE self) {
    return INT2NUM(open_descriptor(self));
}

static VALUE client_socket_close(VALUE self) {
    client_socket_t *const socket = client_socket_of(self);
    const int descriptor = socket->descriptor;
    socket->descriptor = -1;
    if (!NIL_P(socket->io)) {
        rb_io_close(socket->io);
    } else if (descriptor >= 0) {
        close(descriptor);
    }
    return Qnil;
}

/* ----- The queue between workers */

/* Room for one descriptor, aligned for a header. */
typedef union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
} rights_t;

/* A message: the connection's deadline, its client's address and its descriptor. */
static VALUE give(VALUE self, VALUE queue, VALUE deadline, VALUE peer) {
    Check_Type(peer, T_STRING);
    double time = NUM2DBL(deadline);
    const int descriptor = open_descriptor(self);
    rights_t rights = {0};
    struct iovec parts[2] = {{&time, sizeof time}, {RSTRING_PTR(peer), (size_t)RSTRING_LEN(peer)}};
    struct msghdr message = {
        .msg_iov = parts, .msg_iovlen = 2, .msg_control = &rights, .msg_controllen = sizeof rights};
    struct cmsghdr *const control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
    if (sendmsg(descriptor_of(queue), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        return Qtrue;
    }
    if (would_wait()) {
        return Qfalse;
    }
    rb_sys_fail("sendmsg(2)");
}

/* The kernel drops a received descriptor if the process has no number free. */
static void ensure_place(int descriptor) {
    const int place = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (place < 0) {
        rb_sys_fail("fcntl(2)");
    }
    close(place);
}

static VALUE take(VALUE class, VALUE queue) {
    const int from = descriptor_of(queue);
    double deadline;
    char peer[PEER_LIMIT];
    int descriptor = -1;
    rights_t rights;
    struct iovec parts[2] = {{&deadline, sizeof deadline}, {peer, sizeof peer}};
    struct msghdr message = {
        .msg_iov = parts, .msg_iovlen = 2, .msg_control = &rights, .msg_controllen = sizeof rights};
    VALUE self = make();
    (void)class;
    ensure_place(from);
    const ssize_t size = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        if (would_wait()) {
            return Qnil;
        }
        rb_sys_fail("recvmsg(2)");
    }
    const struct cmsghdr *const control = CMSG_FIRSTHDR(&message);
    if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS) {
        memcpy(&descriptor, CMSG_DATA(control), sizeof descriptor);
    }
    if (size == 0) {
        return Qfalse;
    }
    if (descriptor < 0) {
        /* Another thread has taken the last number meanwhile. */
        errno = EMFILE;
        rb_sys_fail("recvmsg(2)");
    }
    client_socket_of(self)->descriptor = descriptor;
    const long length = size > (ssize_t)sizeof deadline ? (long)size - (long)sizeof deadline : 0;
    return rb_ary_new_from_args(3, self, rb_str_new(peer, length), DBL2NUM(deadline));
}

void define_client_socket(VALUE module) {
    client_socket_class = rb_define_class_under(module, "ClientSocket", rb_cObject);
    rb_undef_alloc_func(client_socket_class);
    rb_define_singleton_method(client_socket_class, "accept", accept_one, 1);
    rb_define_singleton_method(client_socket_class, "take", take, 1);
    rb_define_method(client_socket_class, "receive", client_socket_receive, 0);
    rb_define_method(client_socket_class, "more?", client_socket_more, 0);
    rb_define_method(client_socket_class, "transmit", client_socket_transmit, 1);
    rb_define_method(client_socket_class, "give", give, 3);
    rb_define_method(client_socket_class, "to_io", client_socket_to_io, 0);
    rb_define_method(client_socket_class, "fileno", client_socket_fileno, 0);
    rb_define_method(client_socket_class, "close", client_socket_close, 0);
}
