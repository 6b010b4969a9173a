# Native code for Python, in root/native beside the library, and in the same place when installed.
# Native code changes only the speed, and one file serves every Python (PEP 384).

python_native_sources = \
    %D%/claim.c \
    %D%/passenger_native.c \
    %D%/passenger_native.h
EXTRA_DIST += $(python_native_sources)

# No flags of the sanitizers: Python itself has none.
if HAVE_PYTHON_HEADERS
python_native = root/native/python/passenger_native.abi3.so
all-local: $(python_native)
$(python_native): $(python_native_sources) ext/claims/claim_memory.h
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(CC) -std=gnu11 -fPIC -shared -fvisibility=hidden -Wall -Wextra $(LARGE_FILES) \
	    $(PYTHON_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) -o $@.new $(filter %.c,$^) $(LDFLAGS) && mv $@.new $@
else
# One of a build before may have another interface.
all-local: without-python-native
.PHONY: without-python-native
without-python-native:
	@rm -rf root/native/python
endif
