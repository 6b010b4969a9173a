EXTRA_DIST += \
    %D%/README.md \
    %D%/apps/hello/config.ru \
    %D%/floor/mod_floor.c \
    %D%/lib/app.rb \
    %D%/lib/changes.rb \
    %D%/lib/command_line.rb \
    %D%/lib/comparison_run.rb \
    %D%/lib/failure.rb \
    %D%/lib/httpd.rb \
    %D%/lib/keeper.rb \
    %D%/lib/kept_process.rb \
    %D%/lib/leak_check.rb \
    %D%/lib/load.rb \
    %D%/lib/machine.rb \
    %D%/lib/memory.rb \
    %D%/lib/places.rb \
    %D%/lib/process_tree.rb \
    %D%/lib/row.rb \
    %D%/lib/servers/floor.rb \
    %D%/lib/servers/ours.rb \
    %D%/lib/servers/passenger.rb \
    %D%/lib/servers/passenger_server.rb \
    %D%/lib/servers/puma.rb \
    %D%/lib/servers/server.rb \
    %D%/lib/stage.rb \
    %D%/lib/table.rb \
    %D%/lib/work.rb \
    %D%/lib/wrk_report.lua \
    %D%/run

# What the Pool itself costs. To be measured in a build with optimisation and --disable-development.
EXTRA_PROGRAMS += test/benchmark/pool/pool_benchmark
%C%_pool_pool_benchmark_SOURCES = %D%/pool/PoolBenchmark.cpp
%C%_pool_pool_benchmark_LDADD = libpassenger_pool.la libpassenger_client.la libpassenger_runtime.la libpassenger_base.la \
    $(BOOST_LIBS) $(EV_LIBS) $(SPDLOG_LIBS) $(FMT_LIBS)

.PHONY: bench-pool
bench-pool: test/benchmark/pool/pool_benchmark$(EXEEXT)
	test/benchmark/pool/pool_benchmark$(EXEEXT)
