# Programs that feed whatever bytes to what reads other processes' messages. They need a build of their own:
# configure --enable-fuzzers CXX=clang++
FUZZERS = test/fuzz/AnswerFuzzer test/fuzz/FrameFuzzer test/fuzz/ResponseHeadFuzzer test/fuzz/SharedMemoryFuzzer
EXTRA_PROGRAMS += $(FUZZERS)

%C%_AnswerFuzzer_SOURCES = %D%/AnswerFuzzer.cpp
%C%_AnswerFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_AnswerFuzzer_LDADD = libpassenger_bridge.la libpassenger_base.la

%C%_FrameFuzzer_SOURCES = %D%/FrameFuzzer.cpp
%C%_FrameFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_FrameFuzzer_LDADD = libpassenger_base.la

%C%_ResponseHeadFuzzer_SOURCES = %D%/ResponseHeadFuzzer.cpp
%C%_ResponseHeadFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_ResponseHeadFuzzer_LDADD = libpassenger_httpmessages.la

%C%_SharedMemoryFuzzer_SOURCES = %D%/SharedMemoryFuzzer.cpp
%C%_SharedMemoryFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_SharedMemoryFuzzer_LDADD = $(PASSENGER_LIBS)

EXTRA_DIST += \
    %D%/AnswerFuzzer.dict \
    %D%/README.md \
    %D%/ResponseHeadFuzzer.dict

# How long each of them runs. What they have found stays in the build folder, and is where the next run begins.
FUZZ_SECONDS = 60
FUZZ_LIMITS = -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1

.PHONY: fuzz
if FUZZERS
fuzz: $(FUZZERS)
	@for fuzzer in $(FUZZERS); do \
	    dictionary=$(srcdir)/$$fuzzer.dict; \
	    if test -e $$dictionary; then dictionary=-dict=$$dictionary; else dictionary=; fi; \
	    echo "== $$fuzzer, $(FUZZ_SECONDS) seconds"; \
	    $(MKDIR_P) $$fuzzer.corpus || exit 1; \
	    ./$$fuzzer $(FUZZ_LIMITS) -artifact_prefix=$$fuzzer. $$dictionary $$fuzzer.corpus || exit 1; \
	done
else
fuzz:
	@echo 'Fuzzing needs a build of its own, by clang with its runtime library (Debian: clang libclang-rt-dev):' >&2
	@echo '    mkdir build-fuzz && cd build-fuzz && ../configure --enable-fuzzers CXX=clang++ && make fuzz' >&2
	@exit 1
endif

clean-local: clean-fuzz
.PHONY: clean-fuzz
clean-fuzz:
	rm -rf test/fuzz/*.corpus
CLEANFILES += $(FUZZERS)
