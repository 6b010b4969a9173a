/*
 * Messages of queues, reply channels and control socket. No call waits for its peer but
 * sendFrame(). Results under zero are negated values of errno.
 *
 * The descriptors are blocking, and stay so: other processes share them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.h"
#include "passenger_native.h"

/* Bytes of the largest message of a queue or reply channel, and of its header. */
enum { MESSAGE_LIMIT = 65600, REPLY_HEADER = 24 };
/* Descriptors of one message. */
enum { MOST_DESCRIPTORS = 16 };
/* Milliseconds after which an agent that reads nothing counts as gone. */
enum { PATIENCE = 60000 };
/* Bytes of a frame without fields. */
enum { EMPTY_FRAME = 8 };
/* Bytes that pending() looks at. */
enum { PENDING_LIMIT = 65536 };

/* The thread of heartbeats writes to the control socket, too. */
static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;

/* What receive() has received, and its descriptors. JavaScript sees both (memory()). */
static unsigned char *received;
static int32_t *descriptors;
/* Text on its way into a message. */
static unsigned char text[MESSAGE_LIMIT + 8];

/* memory(): the two buffers, for the process's life. */
static napi_value memory(napi_env env, napi_callback_info info) {
    (void)info;
    napi_value result, one;
    void *data = NULL;
    if (napi_create_array_with_length(env, 2, &result) != napi_ok ||
        napi_create_arraybuffer(env, MESSAGE_LIMIT + 8, &data, &one) != napi_ok) {
        return NULL;
    }
    received = data;
    napi_set_element(env, result, 0, one);
    if (napi_create_arraybuffer(env, sizeof(int32_t) * MOST_DESCRIPTORS, &data, &one) != napi_ok) {
        return NULL;
    }
    descriptors = data;
    napi_set_element(env, result, 1, one);
    return result;
}

static size_t take_descriptors(struct msghdr *message) {
    size_t count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t size = header->cmsg_len - CMSG_LEN(0);
        const size_t more = size / sizeof(int);
        for (size_t i = 0; i < more && count < MOST_DESCRIPTORS; i++) {
            memcpy(&descriptors[count++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
        }
    }
    return count;
}

/* receive(descriptor, most): bytes + 2^20 for each descriptor that came with them. */
static napi_value receive(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    size_t most = (size_t)number_at(&arguments, 1);
    most = most < MESSAGE_LIMIT + 1 ? most : MESSAGE_LIMIT + 1;
    char controls[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)];
    struct iovec part = {received, most};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = controls, .msg_controllen = sizeof(controls)};
    const ssize_t size = recvmsg((int)number_at(&arguments, 0), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        return number(env, -errno);
    }
    return number(env, (double)size + (double)(take_descriptors(&message) << 20));
}

/* hasEnded(descriptor): nothing is unread, and nothing can come. */
static napi_value has_ended(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    struct pollfd entry = {(int)number_at(&arguments, 0), 0, 0};
    char byte;
    const bool hung_up = poll(&entry, 1, 0) > 0;
    const bool ended = hung_up && recv(entry.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    napi_value result = NULL;
    napi_get_boolean(env, ended, &result);
    return result;
}

static void put(unsigned char *at, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> 8 * i);
    }
}

/*
 * Text of Latin-1 or UTF-8, which needs `room` at most; else bytes. False: it is too long.
 */
static bool part_of(const arguments_t *arguments, size_t index, bool latin1, size_t *used, struct iovec *part) {
    napi_valuetype type = napi_undefined;
    napi_typeof(arguments->env, arguments->values[index], &type);
    if (type != napi_string) {
        part->iov_base = bytes_at(arguments, index, &part->iov_len);
        return true;
    }
    const size_t room = sizeof(text) - *used;
    unsigned char *at = text + *used;
    size_t size = 0;
    if (latin1) {
        napi_get_value_string_latin1(arguments->env, arguments->values[index], (char *)at, room, &size);
    } else {
        napi_get_value_string_utf8(arguments->env, arguments->values[index], (char *)at, room, &size);
    }
    /* A text that was cut leaves less room than one character can need. */
    if (size + 8 > room) {
        return false;
    }
    *used += size;
    *part = (struct iovec){at, size};
    return true;
}

/*
 * send(descriptor, ticket, type and flags, status, length of the head, queued, sticky id, head,
 * body): one message. `head` is a text of Latin-1, `body` one of UTF-8 or a Buffer; both may be
 * undefined. -EMSGSIZE: they are too long for one message.
 */
static napi_value send_message(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    unsigned char header[REPLY_HEADER];
    put(header, (uint64_t)number_at(&arguments, 1), 8);
    put(header + 8, (uint64_t)number_at(&arguments, 2), 2);
    put(header + 10, (uint64_t)number_at(&arguments, 3), 2);
    put(header + 12, (uint64_t)number_at(&arguments, 4), 4);
    put(header + 16, (uint64_t)number_at(&arguments, 5), 4);
    put(header + 20, (uint64_t)number_at(&arguments, 6), 4);
    struct iovec parts[3] = {{header, sizeof(header)}, {NULL, 0}, {NULL, 0}};
    size_t used = 0;
    if (!part_of(&arguments, 7, true, &used, &parts[1]) || !part_of(&arguments, 8, false, &used, &parts[2]) ||
        REPLY_HEADER + parts[1].iov_len + parts[2].iov_len > MESSAGE_LIMIT) {
        return number(env, -EMSGSIZE);
    }
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    const ssize_t sent = sendmsg((int)number_at(&arguments, 0), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return number(env, sent < 0 ? -errno : 0);
}

/* sendStream(descriptor, header of a message, descriptor of a stream) */
static napi_value send_stream(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    struct iovec part;
    part.iov_base = bytes_at(&arguments, 1, &part.iov_len);
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } controls = {{0}};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = controls.space, .msg_controllen = sizeof(controls.space)};
    const int stream = (int)number_at(&arguments, 2);
    controls.header.cmsg_level = SOL_SOCKET;
    controls.header.cmsg_type = SCM_RIGHTS;
    controls.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&controls.header), &stream, sizeof(stream));
    const ssize_t sent = sendmsg((int)number_at(&arguments, 0), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return number(env, sent < 0 ? -errno : 0);
}

/* isTcp(descriptor): whether it is a connection of TCP. */
static napi_value is_tcp(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    const int descriptor = (int)number_at(&arguments, 0);
    int domain = 0;
    int type = 0;
    socklen_t size = sizeof(int);
    const bool known = getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
                       getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
    napi_value result = NULL;
    napi_get_boolean(env, known && type == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6), &result);
    return result;
}

/* unsent(descriptor): bytes that the peer has not taken. */
static napi_value unsent(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    int size = 0;
    const int result = ioctl((int)number_at(&arguments, 0), SIOCOUTQ, &size);
    return number(env, result < 0 ? -errno : size);
}

/* peek(descriptor): as receive(), of a stream, but the bytes stay in it. */
static napi_value peek(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    const ssize_t size = recv((int)number_at(&arguments, 0), received, MESSAGE_LIMIT + 1, MSG_PEEK | MSG_DONTWAIT);
    return number(env, size < 0 ? -errno : (double)size);
}

/* Errno, or 0. Waits for room. The socket ends where it has but a part of the frame: its reader
 * would take the next frame for the rest. */
static int write_all(int descriptor, const unsigned char *data, size_t size, int patience) {
    const size_t whole = size;
    while (size > 0) {
        const ssize_t sent = send(descriptor, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            data += sent;
            size -= (size_t)sent;
            patience = PATIENCE;
            continue;
        }
        struct pollfd entry = {descriptor, POLLOUT, 0};
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return errno;
        }
        if (poll(&entry, 1, patience) == 0) {
            if (size == whole) {
                return EAGAIN;
            }
            shutdown(descriptor, SHUT_RDWR);
            return EPIPE;
        }
    }
    return 0;
}

/* sendFrame(descriptor, bytes): waits for room. */
static napi_value send_frame(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    size_t size = 0;
    const unsigned char *data = bytes_at(&arguments, 1, &size);
    pthread_mutex_lock(&control);
    const int error = write_all((int)number_at(&arguments, 0), data, size, PATIENCE);
    pthread_mutex_unlock(&control);
    return number(env, -error);
}

typedef struct {
    int descriptor;
    struct timespec interval;
    unsigned char frame[EMPTY_FRAME];
} beats_t;

static void *send_beats(void *data) {
    const beats_t *beats = data;
    int error = 0;
    while (error == 0 || error == EAGAIN) {
        nanosleep(&beats->interval, NULL);
        pthread_mutex_lock(&control);
        error = write_all(beats->descriptor, beats->frame, sizeof(beats->frame), 0);
        pthread_mutex_unlock(&control);
    }
    return NULL;
}

/* beat(descriptor, frame, milliseconds): sends signs of life to the process's end, whatever
 * JavaScript does. */
static napi_value beat(napi_env env, napi_callback_info info) {
    static beats_t beats;
    const arguments_t arguments = arguments_of(env, info);
    const int64_t milliseconds = number_at(&arguments, 2);
    size_t size = 0;
    const unsigned char *frame = bytes_at(&arguments, 1, &size);
    if (frame == NULL || size != sizeof(beats.frame)) {
        return fail(env, "heartbeats", EINVAL);
    }
    memcpy(beats.frame, frame, size);
    beats.descriptor = (int)number_at(&arguments, 0);
    beats.interval = (struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000};
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, send_beats, &beats);
    if (error != 0) {
        return fail(env, "the thread of heartbeats", error);
    }
    pthread_detach(thread);
    return NULL;
}

/* pending(descriptor): the first bytes of a stream that have come and that nobody has read, as a
 * Buffer. They stay. One other thread may call it, while the main thread reads. */
static napi_value pending(napi_env env, napi_callback_info info) {
    static unsigned char bytes[PENDING_LIMIT];
    const arguments_t arguments = arguments_of(env, info);
    const int descriptor = (int)number_at(&arguments, 0);
    const int begin = 0, off = -1;
    int size = 0;
    size_t have = 0;
    ssize_t more = 0;
    if (ioctl(descriptor, FIONREAD, &size) == 0 && size > 0 &&
        setsockopt(descriptor, SOL_SOCKET, SO_PEEK_OFF, &begin, sizeof(begin)) == 0) {
        /* A look ends at a message with descriptors; the next one begins behind it. */
        do {
            more = recv(descriptor, bytes + have, sizeof(bytes) - have, MSG_PEEK | MSG_DONTWAIT);
            have += more > 0 ? (size_t)more : 0;
        } while (more > 0 && have < sizeof(bytes));
        setsockopt(descriptor, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
    }
    napi_value result = NULL;
    napi_create_buffer_copy(env, have, bytes, NULL, &result);
    return result;
}

bool add_messages(napi_env env, napi_value exports) {
    return add_function(env, exports, "memory", memory) && add_function(env, exports, "receive", receive) &&
           add_function(env, exports, "hasEnded", has_ended) && add_function(env, exports, "send", send_message) &&
           add_function(env, exports, "sendStream", send_stream) && add_function(env, exports, "isTcp", is_tcp) &&
           add_function(env, exports, "unsent", unsent) && add_function(env, exports, "peek", peek) &&
           add_function(env, exports, "sendFrame", send_frame) && add_function(env, exports, "pending", pending) &&
           add_function(env, exports, "beat", beat);
}
