# One convenience library for each folder; the folder's Local.mk lists its files.
# script/lint-structure has the layers.

# The module's libraries: no libev, no Boost library.
PASSENGER_MODULE_LIBS = libpassenger_control.la libpassenger_client.la libpassenger_exchange.la libpassenger_io.la \
    libpassenger_shm.la libpassenger_base.la $(FMT_LIBS)

# The libraries of passenger-prefork.
PASSENGER_PREFORK_LIBS = libpassenger_standalone.la libpassenger_commands.la libpassenger_control.la \
    libpassenger_prefork.la libpassenger_policy.la libpassenger_loop.la libpassenger_log.la libpassenger_io.la libpassenger_shm.la libpassenger_base.la \
    $(BOOST_LIBS) $(EV_LIBS) $(FMT_LIBS)

# All but the standalone program's own. The linker needs each library before those that it uses.
PASSENGER_LIBS = libpassenger_agent.la libpassenger_watchdog.la libpassenger_bridge.la libpassenger_prefork.la \
    libpassenger_server.la libpassenger_pool.la libpassenger_spawning.la libpassenger_restart.la libpassenger_rights.la \
    libpassenger_policy.la libpassenger_loop.la libpassenger_log.la libpassenger_confinement.la $(PASSENGER_MODULE_LIBS) \
    $(BOOST_LIBS) $(EV_LIBS) $(FMT_LIBS) $(SECCOMP_LIBS)

# Makefile.am precompiles it.

include %D%/base/Local.mk
include %D%/confinement/Local.mk
include %D%/log/Local.mk
include %D%/shm/Local.mk
include %D%/io/Local.mk
include %D%/loop/Local.mk
include %D%/policy/Local.mk
include %D%/exchange/Local.mk
include %D%/client/Local.mk
include %D%/control/Local.mk
include %D%/commands/Local.mk
include %D%/rights/Local.mk
include %D%/restart/Local.mk
include %D%/spawning/Local.mk
include %D%/pool/Local.mk
include %D%/server/Local.mk
include %D%/bridge/Local.mk
include %D%/prefork/Local.mk
include %D%/standalone/Local.mk
include %D%/watchdog/Local.mk
include %D%/agent/Local.mk
