/*
 * The most expensive parts of a request, in C: receive a message, make the environment's dict, send
 * a message. claim.c claims the request. Python code does the same where this is not built
 * (lib/passenger/python/mod_passenger/native.py).
 */
#include "passenger_native.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { INTERFACE = 2, MESSAGE_LIMIT = 65600, REPLY_HEADER = 24 };

/* ----- Names that are used again */

enum { NAMES_KEPT = 512, LONGEST_NAME = 64 };

/*
 * A hash table with open addressing. A name that does not fit is made for each request. The
 * interpreter's lock guards the table; entries are never removed.
 */
static struct {
    PyObject *text;
    size_t length;
    char bytes[LONGEST_NAME];
} names[NAMES_KEPT * 2];
static unsigned names_kept;

/* A new reference, or null and a Python error. */
static PyObject *name_of(const char *bytes, size_t length) {
    if (length > LONGEST_NAME) {
        return PyUnicode_DecodeLatin1(bytes, (Py_ssize_t)length, NULL);
    }
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    }
    unsigned at = hash % (NAMES_KEPT * 2);
    while (names[at].text != NULL) {
        if (names[at].length == length && memcmp(names[at].bytes, bytes, length) == 0) {
            Py_INCREF(names[at].text);
            return names[at].text;
        }
        at = (at + 1) % (NAMES_KEPT * 2);
    }
    PyObject *text = PyUnicode_DecodeLatin1(bytes, (Py_ssize_t)length, NULL);
    if (text != NULL && names_kept < NAMES_KEPT) {
        names_kept++;
        PyUnicode_InternInPlace(&text);
        Py_INCREF(text);
        names[at].text = text;
        names[at].length = length;
        memcpy(names[at].bytes, bytes, length);
    }
    return text;
}

static bool add_pair(PyObject *dict, const char *name, size_t name_length, const char *value, size_t value_length) {
    PyObject *key = name_of(name, name_length);
    PyObject *text = key == NULL ? NULL : PyUnicode_DecodeLatin1(value, (Py_ssize_t)value_length, NULL);
    const bool added = text != NULL && PyDict_SetItem(dict, key, text) == 0;
    Py_XDECREF(key);
    Py_XDECREF(text);
    return added;
}

/*
 * environment(data, begin, length): a dict of the names and values there, which end with a zero
 * each. Texts whose characters are bytes (PEP 3333). A last name without a value is left out.
 */
static PyObject *environment(PyObject *self, PyObject *arguments) {
    char *data;
    Py_ssize_t size, begin, length;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "y#nn", &data, &size, &begin, &length)) {
        return NULL;
    }
    if (begin < 0 || length < 0 || begin > size || length > size - begin) {
        PyErr_SetString(PyExc_ValueError, "the environment reaches beyond its message");
        return NULL;
    }
    PyObject *dict = PyDict_New();
    const char *at = data + begin;
    const char *const end = at + length;
    while (dict != NULL && at < end) {
        const char *name_end = memchr(at, 0, (size_t)(end - at));
        const char *value = name_end == NULL ? end : name_end + 1;
        const char *value_end = value >= end ? NULL : memchr(value, 0, (size_t)(end - value));
        if (value_end == NULL) {
            break;
        }
        if (!add_pair(dict, at, (size_t)(name_end - at), value, (size_t)(value_end - value))) {
            Py_CLEAR(dict);
        }
        at = value_end + 1;
    }
    return dict;
}

/* ----- Sockets */

/*
 * Waits for a descriptor that another process has made non-blocking (libuv does). Returns the error
 * with which the caller tries again: EAGAIN, or EINTR after a signal.
 */
static int await(int descriptor, short events) {
    struct pollfd news = {.fd = descriptor, .events = events};
    return poll(&news, 1, -1) < 0 ? errno : EAGAIN;
}

/*
 * receive(descriptor): the next message; a message over the limit is cut by the kernel, and longer
 * than the limit all the same. Waits without the interpreter's lock. Empty: an end, or an empty
 * message. None: a signal came.
 */
static PyObject *receive(PyObject *self, PyObject *argument) {
    static __thread char buffer[MESSAGE_LIMIT + 1];
    const int descriptor = (int)PyLong_AsLong(argument);
    (void)self;
    if (descriptor == -1 && PyErr_Occurred()) {
        return NULL;
    }
    ssize_t size = recv(descriptor, buffer, sizeof(buffer), MSG_DONTWAIT);
    while (size < 0 && errno == EAGAIN) {
        int error;
        Py_BEGIN_ALLOW_THREADS size = recv(descriptor, buffer, sizeof(buffer), 0);
        error = errno;
        if (size < 0 && error == EAGAIN) {
            error = await(descriptor, POLLIN);
        }
        Py_END_ALLOW_THREADS errno = error;
    }
    if (size >= 0) {
        return PyBytes_FromStringAndSize(buffer, size);
    }
    if (errno != EINTR) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (PyErr_CheckSignals() != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static void put(char *at, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (char)(value >> 8 * i);
    }
}

/* Waits without the interpreter's lock if the kernel does not take the message at once. */
static bool send_whole(int descriptor, const struct msghdr *message) {
    ssize_t sent = sendmsg(descriptor, message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0) {
        int error = errno;
        if (error != EAGAIN && error != EINTR) {
            PyErr_SetFromErrno(PyExc_OSError);
            return false;
        }
        if (PyErr_CheckSignals() != 0) {
            return false;
        }
        Py_BEGIN_ALLOW_THREADS sent = sendmsg(descriptor, message, MSG_NOSIGNAL);
        error = errno;
        if (sent < 0 && error == EAGAIN) {
            error = await(descriptor, POLLOUT);
        }
        Py_END_ALLOW_THREADS errno = error;
    }
    return true;
}

/*
 * send(descriptor, ticket, type, flags, status, head_length, queued, sticky_id, head, body): sends
 * one message of a reply channel.
 */
static PyObject *send_message(PyObject *self, PyObject *arguments) {
    int descriptor;
    unsigned long long ticket;
    unsigned type, flags, status, head_length, queued, sticky_id;
    struct iovec parts[3];
    char header[REPLY_HEADER];
    char *head, *body;
    Py_ssize_t head_size, body_size;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "iKIIIIIIy#y#", &descriptor, &ticket, &type, &flags, &status, &head_length,
                          &queued, &sticky_id, &head, &head_size, &body, &body_size)) {
        return NULL;
    }
    put(header, ticket, 8);
    put(header + 8, type, 1);
    put(header + 9, flags, 1);
    put(header + 10, status, 2);
    put(header + 12, head_length, 4);
    put(header + 16, queued, 4);
    put(header + 20, sticky_id, 4);
    parts[0] = (struct iovec){header, sizeof(header)};
    parts[1] = (struct iovec){head, (size_t)head_size};
    parts[2] = (struct iovec){body, (size_t)body_size};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    if (!send_whole(descriptor, &message)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {{"environment", environment, METH_VARARGS, NULL},
                                {"receive", receive, METH_O, NULL},
                                {"send", send_message, METH_VARARGS, NULL},
                                {NULL, NULL, 0, NULL}};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "passenger_native", NULL, -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_passenger_native(void) {
    PyObject *module = PyModule_Create(&MODULE);
    if (module != NULL && (PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) != 0 || !add_claim(module))) {
        Py_CLEAR(module);
    }
    return module;
}
