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

node_native = root/native/node/passenger_native.node

# No flags of the sanitizers: Node itself has none. Node has libuv.
if HAVE_NODE_HEADERS
all-local: $(node_native)
$(node_native): $(node_native_sources) ext/claims/claim_memory.h
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(CC) -std=gnu11 -fPIC -shared -fvisibility=hidden -Wall -Wextra $(LARGE_FILES) \
	    $(NODE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) -o $@.new $(filter %.c,$^) $(LDFLAGS) && mv $@.new $@
else
node_native_check = current-node-native
endif

# Before an installation: without Node's headers an addon of an earlier build stays as it was.
.PHONY: current-node-native
current-node-native: $(node_native_sources) ext/claims/claim_memory.h
	@if test -f $(node_native) && test -n "`find $^ -newer $(node_native)`"; then \
	    echo "$(node_native) is older than its sources, and configure has found no headers of Node:" \
	        "it is removed, and Node applications run behind a bridge" >&2; \
	    rm -f $(node_native); fi
