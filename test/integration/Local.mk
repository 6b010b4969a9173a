EXTRA_DIST += %D%

# Processes of every kind are killed under load, for a minute.
PASSENGER_TORTURE_SECONDS = 60
.PHONY: torture
torture: all
	PASSENGER_TORTURE_SECONDS='$(PASSENGER_TORTURE_SECONDS)' TEST=torture $(RUN_TESTS) integration
