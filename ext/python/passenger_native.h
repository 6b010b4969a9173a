#pragma once

/* The stable interface (PEP 384): one build serves every Python from 3.9 on that is not
 * free-threaded. */
#define Py_LIMITED_API 0x03090000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/** Adds the class Claim to the module. False: a Python error is set. */
int add_claim(PyObject *module);
