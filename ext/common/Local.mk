# One convenience library for each step of the layers. A folder's Local.mk says which library its files belong to.

noinst_LTLIBRARIES += libpassenger_base.la libpassenger_runtime.la libpassenger_pool.la libpassenger_server.la \
    libpassenger_client.la libpassenger_bridge.la libpassenger_agent.la libpassenger_spare.la \
    libpassenger_prefork.la libpassenger_standalone.la

# base and io, without libev and spdlog: what httpd's children need too.
libpassenger_base_la_SOURCES =
libpassenger_base_la_LIBADD = $(FMT_LIBS)

# What of base and io needs libev or spdlog: the agent's processes only. The module is never linked with it.
libpassenger_runtime_la_SOURCES =
libpassenger_runtime_la_LIBADD = $(EV_LIBS) $(SPDLOG_LIBS) $(BOOST_LIBS)

# How many workers there are to be, and which of them are silent: what the pool and the monitor of preforked servers have in common.
libpassenger_spare_la_SOURCES =
libpassenger_spare_la_LIBADD = $(FMT_LIBS)

# The monitor of preforked servers.
libpassenger_prefork_la_SOURCES =

# The program passenger-prefork, but for main()
libpassenger_standalone_la_SOURCES =

# pool and spawning
libpassenger_pool_la_SOURCES =

libpassenger_server_la_SOURCES =
libpassenger_client_la_SOURCES =

# What is between a Group's queue and an application that speaks HTTP.
libpassenger_bridge_la_SOURCES =
libpassenger_bridge_la_LIBADD = $(HTTP_PARSER_LIBS)

# watchdog and agent, but for main()
libpassenger_agent_la_SOURCES =

# In the linker's order: who needs something stands before what it needs.
PASSENGER_LIBS = libpassenger_agent.la libpassenger_bridge.la libpassenger_prefork.la libpassenger_server.la libpassenger_pool.la libpassenger_client.la \
    libpassenger_spare.la libpassenger_runtime.la libpassenger_base.la $(BOOST_LIBS) $(EV_LIBS) $(SPDLOG_LIBS) $(FMT_LIBS)

# Make automake link with the C++ compiler, whatever the lists above hold.
nodist_EXTRA_libpassenger_base_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_runtime_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_spare_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_prefork_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_standalone_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_pool_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_server_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_client_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_bridge_la_SOURCES = dummy.cpp
nodist_EXTRA_libpassenger_agent_la_SOURCES = dummy.cpp

# Those of the folders that do not list their own.
EXTRA_DIST += \
    %D%/base/README.md \
    %D%/client/README.md \
    %D%/io/README.md \
    %D%/pool/README.md \
    %D%/prefork/README.md \
    %D%/server/README.md \
    %D%/spawning/README.md

include %D%/base/Local.mk
include %D%/io/Local.mk
include %D%/prefork/Local.mk
include %D%/standalone/Local.mk
include %D%/pool/Local.mk
include %D%/spawning/Local.mk
include %D%/server/Local.mk
include %D%/client/Local.mk
include %D%/bridge/Local.mk
include %D%/watchdog/Local.mk
include %D%/agent/Local.mk
