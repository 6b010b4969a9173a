include %D%/unit/Local.mk
include %D%/ruby/Local.mk
include %D%/apps/Local.mk
include %D%/integration/Local.mk
include %D%/fuzz/Local.mk
include %D%/benchmark/Local.mk

EXTRA_DIST += %D%/README.md

# The sample applications.
EXTRA_DIST += %D%/stub

# The model of the protocol; script/model checks it.
EXTRA_DIST += %D%/model

# The tests of the Debian packages; script/package and script/boot run them.
EXTRA_DIST += %D%/package

# The version of the shared layouts. LayoutsTest and test/ruby/layout_test.rb compare them.
EXTRA_DIST += %D%/layouts

# The unit tests of the code in JavaScript; test/ruby/node_units_test.rb runs them.
EXTRA_DIST += %D%/node

# The unit tests of the Python code; test/ruby/python_units_test.rb runs them.
EXTRA_DIST += %D%/python

# The cases of claiming a request, which every implementation of an instance runs.
EXTRA_DIST += %D%/claims

# The environment of the suites, the same for `make check` and for a single suite. ThreadSanitizer
# must not abort after a fork: tests of aborts fork, and the child may start threads.
TEST_ENVIRONMENT = \
    BUILD_DIR='$(abs_top_builddir)' \
    SOURCE_DIR='$(abs_top_srcdir)' \
    PASSENGER_ROOT='$(abs_top_builddir)/root' \
    PASSENGER_LIB='$(abs_top_builddir)/root/lib/passenger' \
    PASSENGER_MODULE='$(abs_top_builddir)/ext/apache2/.libs/mod_passenger.so' \
    HTTPD='$(HTTPD)' \
    APXS='$(APXS)' \
    RUBY='$(RUBY)' \
    TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/test/unit/support/thread_sanitizer.supp:die_after_fork=0:$$TSAN_OPTIONS"
RUN_TESTS = $(TEST_ENVIRONMENT) $(RUBY) $(top_srcdir)/script/run-tests

.PHONY: test unit unit-programs ruby-test integration integration-programs

# `make check` and `make test` run all tests; TEST=name runs the tests with name in their name.
check-local: integration-programs
	$(RUN_TESTS) $(TEST_SUITES)
test: check

if CPPUNIT
unit-programs: root/lib root/passenger-agent$(EXEEXT) test/unit/unit_tests$(EXEEXT)
else
unit-programs:
	@echo 'configure has not found CppUnit, so there are no unit tests. Install it (Debian:' >&2
	@echo 'apt-get install libcppunit-dev) and run configure again.' >&2
	@exit 1
endif
unit: unit-programs
	TEST='$(TEST)' $(RUN_TESTS) unit
ruby-test: root/lib native
	TEST='$(TEST)' $(RUN_TESTS) ruby pure-ruby
integration-programs: all script/documents/list_directives$(EXEEXT) test/integration/mod_settings.la
integration: integration-programs
	TEST='$(TEST)' $(RUN_TESTS) integration

# The integration tests need httpd and minutes; the other suites check a release.
AM_DISTCHECK_CONFIGURE_FLAGS = TEST_SUITES="unit ruby pure-ruby"
