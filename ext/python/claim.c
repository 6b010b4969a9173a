/*
 * passenger_native.Claim does what lib/passenger/python/mod_passenger/claim.py does. The claims and
 * the withdrawal marks are mapped, so that claiming a request takes no system call.
 */
#include "passenger_native.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum {
    HEADER_LENGTH = 64,
    CELL_LENGTH = 32,
    ANSWERED_OFFSET = 16,
    LAST_USED_OFFSET = 24,
    TICKETS_OFFSET = 16512,
    CHANNELS = 65536
};

/* The files are sealed against shrinking, so the mappings stay valid. Null: closed. */
typedef struct {
    PyObject_HEAD char *claims;
    char *withdrawals;
    size_t claims_size;
    size_t withdrawals_size;
    char *cell;
} claim_t;

static void claim_unmap(claim_t *claim) {
    if (claim->claims != NULL) {
        munmap(claim->claims, claim->claims_size);
    }
    if (claim->withdrawals != NULL) {
        munmap(claim->withdrawals, claim->withdrawals_size);
    }
    claim->claims = claim->withdrawals = claim->cell = NULL;
}

static void claim_free(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    claim_unmap((claim_t *)self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static char *map(int descriptor, int protection, size_t needed, size_t *size) {
    struct stat file;
    if (fstat(descriptor, &file) != 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return NULL;
    }
    *size = (size_t)file.st_size;
    if (*size < needed) {
        PyErr_Format(PyExc_ValueError, "the memory file has %zu bytes instead of %zu", *size, needed);
        return NULL;
    }
    void *memory = mmap(NULL, *size, protection, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED) {
        PyErr_SetFromErrno(PyExc_OSError);
        return NULL;
    }
    return memory;
}

/* Claim(claims, withdrawals, cell) */
static int claim_initialize(PyObject *self, PyObject *arguments, PyObject *names) {
    claim_t *claim = (claim_t *)self;
    int claims, withdrawals;
    unsigned cell;
    (void)names;
    if (!PyArg_ParseTuple(arguments, "iiI", &claims, &withdrawals, &cell)) {
        return -1;
    }
    const size_t at = HEADER_LENGTH + (size_t)CELL_LENGTH * cell;
    claim_unmap(claim);
    claim->withdrawals =
        map(withdrawals, PROT_READ, TICKETS_OFFSET + sizeof(uint64_t) * CHANNELS, &claim->withdrawals_size);
    if (claim->withdrawals == NULL) {
        return -1;
    }
    claim->claims = map(claims, PROT_READ | PROT_WRITE, at + CELL_LENGTH, &claim->claims_size);
    if (claim->claims == NULL) {
        return -1;
    }
    claim->cell = claim->claims + at;
    return 0;
}

static void store(char *at, uint64_t value) {
    atomic_store_explicit((_Atomic uint64_t *)at, value, memory_order_release);
}

/* Adds the request to those that have ended in this cell: their number, and when the last one did.
 * Only this thread writes the two words. */
static void count(char *cell) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    store(cell + ANSWERED_OFFSET, atomic_load((const _Atomic uint64_t *)(cell + ANSWERED_OFFSET)) + 1);
    store(cell + LAST_USED_OFFSET, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

static void clear(char *cell) {
    store(cell + sizeof(uint64_t), 0);
    store(cell, 0);
}

/* A mark with another serial belongs to a later channel of the slot. */
static bool withdrawn(const char *withdrawals, uint64_t channel, uint64_t ticket) {
    const char *at = withdrawals + TICKETS_OFFSET + sizeof(uint64_t) * (channel % CHANNELS);
    const uint64_t mark = atomic_load((const _Atomic uint64_t *)at);
    return mark >> 32 != (channel >> 16 & UINT32_MAX) || (mark & UINT32_MAX) >= ticket;
}

/*
 * take(channel, ticket): claims the request, then looks at its mark. False: the request is
 * withdrawn. The channel is written before the ticket, so that a reader never sees the ticket with
 * no channel.
 */
static PyObject *claim_take(PyObject *self, PyObject *arguments) {
    const claim_t *claim = (claim_t *)self;
    unsigned long long channel, ticket;
    if (!PyArg_ParseTuple(arguments, "KK", &channel, &ticket)) {
        return NULL;
    }
    if (claim->cell == NULL) {
        Py_RETURN_FALSE;
    }
    store(claim->cell, channel);
    store(claim->cell + sizeof(uint64_t), ticket);
    /* A child writes the mark, then reads the claims: one of the two must see the other. */
    atomic_thread_fence(memory_order_seq_cst);
    return PyBool_FromLong(!withdrawn(claim->withdrawals, channel, ticket));
}

static PyObject *claim_clear(PyObject *self, PyObject *none) {
    char *cell = ((claim_t *)self)->cell;
    (void)none;
    if (cell != NULL) {
        clear(cell);
    }
    Py_RETURN_NONE;
}

static PyObject *claim_complete(PyObject *self, PyObject *none) {
    char *cell = ((claim_t *)self)->cell;
    (void)none;
    if (cell != NULL) {
        count(cell);
        clear(cell);
    }
    Py_RETURN_NONE;
}

static PyObject *claim_close(PyObject *self, PyObject *none) {
    (void)none;
    claim_unmap((claim_t *)self);
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {{"take", claim_take, METH_VARARGS, NULL},
                                {"clear", claim_clear, METH_NOARGS, NULL},
                                {"complete", claim_complete, METH_NOARGS, NULL},
                                {"close", claim_close, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};

static PyType_Slot SLOTS[] = {
    {Py_tp_init, claim_initialize}, {Py_tp_dealloc, claim_free}, {Py_tp_methods, METHODS}, {0, NULL}};

static PyType_Spec SPEC = {"passenger_native.Claim", sizeof(claim_t), 0, Py_TPFLAGS_DEFAULT, SLOTS};

int add_claim(PyObject *module) {
    PyObject *type = PyType_FromSpec(&SPEC);
    if (type == NULL) {
        return 0;
    }
    if (PyModule_AddObject(module, "Claim", type) != 0) {
        Py_DECREF(type);
        return 0;
    }
    return 1;
}
