EXTRA_DIST += %D%

# Serves real applications here and by Debian's Phusion Passenger, and compares. TEST=name tries
# those with name in their file's name.
.PHONY: apps
apps: all
	$(TEST_ENVIRONMENT) TEST='$(TEST)' $(RUBY) $(srcdir)/test/apps/run.rb
