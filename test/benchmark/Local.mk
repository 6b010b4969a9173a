EXTRA_DIST += $(call files,$(addprefix %D%/,README.md run run-* floor/*.c apps/*/*.ru apps/*/*.js apps/*/*.py lib/*.rb \
    lib/*.lua lib/*/*.rb))

# The cost of the Pool itself. Measure in a build with optimisation and without --enable-development.
EXTRA_PROGRAMS += test/benchmark/pool/pool_benchmark
%C%_pool_pool_benchmark_SOURCES = %D%/pool/PoolBenchmark.cpp \
    test/unit/support/DummyInstance.cpp \
    test/unit/support/DummyInstances.cpp \
    test/unit/support/DummySpawner.cpp \
    test/unit/support/DummySpawnerFactory.cpp
%C%_pool_pool_benchmark_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/test/unit
%C%_pool_pool_benchmark_LDADD = $(PASSENGER_LIBS)

# A load whose requests do not wait for answers to earlier requests.
EXTRA_PROGRAMS += test/benchmark/load/open_loop
%C%_load_open_loop_SOURCES = \
    %D%/load/HttpConnection.cpp \
    %D%/load/HttpConnection.h \
    %D%/load/OpenLoop.cpp \
    %D%/load/Tally.h
%C%_load_open_loop_LDADD = libpassenger_base.la $(FMT_LIBS)

# WebSockets with messages at a fixed rate.
EXTRA_PROGRAMS += test/benchmark/load/web_socket_load
%C%_load_web_socket_load_SOURCES = %D%/load/Tally.h %D%/load/WebSocketLoad.cpp
%C%_load_web_socket_load_LDADD = libpassenger_base.la $(FMT_LIBS)

# A request's way through the queue, and a bare exchange of messages for comparison.
EXTRA_PROGRAMS += test/benchmark/queue/queue_benchmark
%C%_queue_queue_benchmark_SOURCES = %D%/queue/QueueBenchmark.cpp
%C%_queue_queue_benchmark_LDADD = $(PASSENGER_MODULE_LIBS)

# Counts a process's instructions on hardware without a counter.
EXTRA_PROGRAMS += test/benchmark/instructions/instruction_counter
%C%_instructions_instruction_counter_SOURCES = %D%/instructions/InstructionCounter.cpp
%C%_instructions_instruction_counter_LDADD = libpassenger_base.la $(FMT_LIBS)

# Programs that `make bench` needs beside the module.
BENCH_TOOLS = \
    test/benchmark/instructions/instruction_counter$(EXEEXT) \
    test/benchmark/load/open_loop$(EXEEXT) \
    test/benchmark/load/web_socket_load$(EXEEXT) \
    test/benchmark/queue/queue_benchmark$(EXEEXT)

# A status of a thousand applications: written, read, and shown.
EXTRA_PROGRAMS += test/benchmark/status/status_benchmark
%C%_status_status_benchmark_SOURCES = \
    %D%/status/StatusBenchmark.cpp \
    test/unit/support/SampleStatus.cpp \
    test/unit/support/SampleStatus.h
%C%_status_status_benchmark_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/test/unit
%C%_status_status_benchmark_LDADD = libpassenger_control.la libpassenger_io.la libpassenger_shm.la libpassenger_base.la $(FMT_LIBS)

# What many virtual hosts cost httpd and the agent.
.PHONY: bench-hosts
bench-hosts: all
	BUILD_DIR=$(abs_top_builddir) $(srcdir)/test/benchmark/run-hosts $(BENCH)

.PHONY: bench-status
bench-status: test/benchmark/status/status_benchmark$(EXEEXT)
	test/benchmark/status/status_benchmark$(EXEEXT)

.PHONY: bench-pool
bench-pool: test/benchmark/pool/pool_benchmark$(EXEEXT)
	test/benchmark/pool/pool_benchmark$(EXEEXT)
