# The addon for Node instances, in root/native beside the library, and in the same place when
# installed. One file serves every Node from 16 on (Node-API).

node_native_sources = \
    %D%/calls.c \
    %D%/calls.h \
    %D%/claims.c \
    %D%/messages.c \
    %D%/passenger_native.c \
    %D%/passenger_native.h \
    %D%/poller.c \
    %D%/process.c
EXTRA_DIST += $(node_native_sources)

# No flags of the sanitizers: Node itself has none. Node has libuv.
if HAVE_NODE_HEADERS
node_native = root/native/node/passenger_native.node
all-local: $(node_native)
$(node_native): $(node_native_sources) ext/claims/claim_memory.h
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(CC) -std=gnu11 -fPIC -shared -fvisibility=hidden -Wall -Wextra $(LARGE_FILES) \
	    $(NODE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) -o $@.new $(filter %.c,$^) $(LDFLAGS) && mv $@.new $@
else
# One of a build before may have another interface.
all-local: without-node-native
.PHONY: without-node-native
without-node-native:
	@rm -rf root/native/node
endif
