# Makefile with few large sources instead of many small ones (script/unite-sources). A build with
# sanitizers and that of CI have a link to this file; GNU make prefers it to Makefile. The ordinary
# build compiles each source by itself, so a change takes seconds there.

unite_sources := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))unite-sources
unite_from := $(unite_sources) Makefile $(dir $(unite_sources))../ext $(dir $(unite_sources))../test/unit

# Only if something has changed since the last time: a file, or the names in a folder. Without that
# time, find reports an error.
ifneq ($(shell find $(unite_from) -cnewer united/time -print -quit 2>&1),)
ifneq ($(shell mkdir -p united && touch united/time.new && $(unite_sources) Makefile united && \
    mv united/time.new united/time && echo done),done)
$(error $(unite_sources) failed)
endif
endif

include united/units.mk
include Makefile

# g++ takes an unnamed namespace in an included source for a header's, and warns of it.
unite_flags := $(if $(findstring clang,$(CXX)),,-Wno-subobject-linkage)

united/%.lo: united/%.cpp
	$(AM_V_CXX)$(LTCXXCOMPILE) $(unite_flags) -MD -MP -MT $@ -MF united/$*.d -c -o $@ $<
united/ext_apache2_mod_passenger_la-%.lo: CPPFLAGS += $(HTTPD_CPPFLAGS)
united/test_unit_unit_tests-%.o: united/test_unit_unit_tests-%.cpp
	$(AM_V_CXX)$(CXX) $(DEFS) $(DEFAULT_INCLUDES) $(test_unit_unit_tests_CPPFLAGS) $(CPPFLAGS) \
	    $(test_unit_unit_tests_CXXFLAGS) $(CXXFLAGS) $(unite_flags) -MD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

# Fuzzers find their way by the covered code. They reach these libraries only behind orders that the
# others have decoded, and without the counters a compiler needs a fifth less time.
ifneq ($(FUZZER_LDFLAGS),)
uncovered := commands pool prefork server spawning standalone
$(uncovered:%=united/libpassenger_%_la-%.lo): CXXFLAGS += \
    -fno-sanitize-coverage=inline-8bit-counters,indirect-calls,trace-cmp,pc-table,stack-depth
endif

# Code that the tests with the thread sanitizer run little is compiled sooner without optimisation,
# which the precompiled header must lack, too.
ifneq ($(findstring -fsanitize=thread,$(SANITIZER_FLAGS)),)
unoptimised := agent client commands confinement control httpmessages policy standalone watchdog
unoptimised_header := precompiled/headers.h.gch/unoptimised
$(unoptimised:%=united/libpassenger_%_la-%.lo) $(unoptimised_header): CXXFLAGS += -O0
ifneq ($(PRECOMPILED),)
$(foreach name,$(unoptimised),$(libpassenger_$(name)_la_OBJECTS)): | $(unoptimised_header)
$(unoptimised_header): PIC = -fPIC -DPIC
$(unoptimised_header): precompiled/headers.h
	$(PRECOMPILE)
endif
endif

-include $(wildcard united/*.d)
