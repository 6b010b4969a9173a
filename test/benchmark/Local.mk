EXTRA_DIST += \
    %D%/README.md \
    %D%/apps/asgi/passenger_asgi.py \
    %D%/apps/bodies/config.ru \
    %D%/apps/django/passenger_wsgi.py \
    %D%/apps/express/app.js \
    %D%/apps/fastapi/passenger_asgi.py \
    %D%/apps/hello/config.ru \
    %D%/apps/mixed/config.ru \
    %D%/apps/node/app.js \
    %D%/apps/sockets/app.js \
    %D%/apps/wsgi/passenger_wsgi.py \
    %D%/floor/mod_floor.c \
    %D%/lib/app.rb \
    %D%/lib/arrangement.rb \
    %D%/lib/awaiting.rb \
    %D%/lib/call_in_loop.rb \
    %D%/lib/changes.rb \
    %D%/lib/command_line.rb \
    %D%/lib/comparison_run.rb \
    %D%/lib/failure.rb \
    %D%/lib/goodput_panel.rb \
    %D%/lib/h2load.rb \
    %D%/lib/httpd.rb \
    %D%/lib/instruction_counter.rb \
    %D%/lib/keeper.rb \
    %D%/lib/kept_process.rb \
    %D%/lib/latency_panel.rb \
    %D%/lib/leak_check.rb \
    %D%/lib/limit.rb \
    %D%/lib/loads/body_load.rb \
    %D%/lib/loads/closed_load.rb \
    %D%/lib/loads/deploying.rb \
    %D%/lib/loads/fixed_load.rb \
    %D%/lib/loads/goodput.rb \
    %D%/lib/loads/load.rb \
    %D%/lib/loads/mixed_load.rb \
    %D%/lib/loads/overload.rb \
    %D%/lib/loads/tls_load.rb \
    %D%/lib/loads/web_sockets.rb \
    %D%/lib/machine.rb \
    %D%/lib/many_hosts.rb \
    %D%/lib/memory.rb \
    %D%/lib/open_loop.rb \
    %D%/lib/outcome.rb \
    %D%/lib/places.rb \
    %D%/lib/plot.rb \
    %D%/lib/plot_panel.rb \
    %D%/lib/probes/boot_times.rb \
    %D%/lib/probes/instance_memory.rb \
    %D%/lib/probes/many_apps.rb \
    %D%/lib/probes/queue_trip.rb \
    %D%/lib/process_tree.rb \
    %D%/lib/programs.rb \
    %D%/lib/row.rb \
    %D%/lib/servers/balanced.rb \
    %D%/lib/servers/floor.rb \
    %D%/lib/servers/mod_wsgi.rb \
    %D%/lib/servers/ours.rb \
    %D%/lib/servers/passenger.rb \
    %D%/lib/servers/passenger_server.rb \
    %D%/lib/servers/puma.rb \
    %D%/lib/servers/server.rb \
    %D%/lib/servers/standalone.rb \
    %D%/lib/servers/uwsgi.rb \
    %D%/lib/stage.rb \
    %D%/lib/table.rb \
    %D%/lib/thread_times.rb \
    %D%/lib/work.rb \
    %D%/lib/wrk.rb \
    %D%/lib/wrk_report.lua \
    %D%/run \
    %D%/run-hosts \
    %D%/run-prefork

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
