# Native code for the Ruby that configure has found, in root/native beside the library, and in the
# same place when installed. Native code changes only the speed: if it cannot be built, one line
# says why. For other Rubies: RUBY lib/passenger/native_builder.rb in the installed folder.

native_sources = \
    %D%/claim.c \
    %D%/client_socket.c \
    %D%/descriptor.h \
    %D%/passenger_native.c \
    %D%/passenger_native.h \
    %D%/poller.c
nobase_dist_passengerroot_DATA += $(native_sources)

# The builder does nothing if its file names the sources as they are. It runs each time, because Ruby
# may have been upgraded.
.PHONY: native
native:
	@$(RUBY) $(srcdir)/lib/passenger/native_builder.rb root/native

# Code of the version before does not stay where this build has none, as for another Ruby. Node
# applications would not start with it.
install-data-local:
	rm -rf "$(DESTDIR)$(passengerrootdir)/native"
	test ! -d root/native || find root/native -name '*.so' -o -name '*.node' | while read -r file; do \
	    $(MKDIR_P) "$(DESTDIR)$(passengerrootdir)/$$(dirname "$${file#root/}")" && \
	    $(INSTALL_DATA) "$$file" "$(DESTDIR)$(passengerrootdir)/$${file#root/}" || exit; done
uninstall-local:
	rm -rf "$(DESTDIR)$(passengerrootdir)/native"
.PHONY: clean-native
clean-local: clean-native
clean-native:
	rm -rf root/native
