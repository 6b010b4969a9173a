/*
 * passenger_native.Claim does what lib/passenger/python/mod_passenger/claim.py does. The claims and
 * the withdrawal marks are mapped, so that claiming a request takes no system call.
 */
#include "passenger_native.h"

#include "../claims/claim_memory.h"

/* Null: closed. */
typedef struct {
    PyObject_HEAD claim_memory_t memory;
    char *cell;
} claim_t;

static void claim_unmap(claim_t *claim) {
    claim_memory_close(&claim->memory);
    claim->cell = NULL;
}

static void claim_free(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    claim_unmap((claim_t *)self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
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
    const size_t at = CLAIMS_HEADER + (size_t)CELL_LENGTH * cell;
    claim->cell = NULL;
    if (!claim_memory_open(&claim->memory, claims, withdrawals, at + CELL_LENGTH)) {
        if (errno == EINVAL) {
            PyErr_SetString(PyExc_ValueError, "a memory file of claims or withdrawals is too short");
        } else {
            PyErr_SetFromErrno(PyExc_OSError);
        }
        return -1;
    }
    claim->cell = claim->memory.claims + at;
    return 0;
}

/* take(channel, ticket): false: the request is withdrawn. */
static PyObject *claim_take(PyObject *self, PyObject *arguments) {
    const claim_t *claim = (claim_t *)self;
    unsigned long long channel, ticket;
    if (!PyArg_ParseTuple(arguments, "KK", &channel, &ticket)) {
        return NULL;
    }
    if (claim->cell == NULL) {
        Py_RETURN_FALSE;
    }
    return PyBool_FromLong(cell_take(claim->cell, claim->memory.marks, channel, ticket));
}

static PyObject *claim_clear(PyObject *self, PyObject *none) {
    char *cell = ((claim_t *)self)->cell;
    (void)none;
    if (cell != NULL) {
        cell_clear(cell);
    }
    Py_RETURN_NONE;
}

static PyObject *claim_complete(PyObject *self, PyObject *none) {
    char *cell = ((claim_t *)self)->cell;
    (void)none;
    if (cell != NULL) {
        cell_complete(cell);
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
