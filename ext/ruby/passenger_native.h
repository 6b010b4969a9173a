#pragma once

#include <ruby.h>

/* Each function defines a class in the module: Claim, ClientSocket, Poller. */
void define_claim(VALUE module);
void define_client_socket(VALUE module);
void define_poller(VALUE module);
