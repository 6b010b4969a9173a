# Native code for the Ruby that configure has found, beside the library: root/native, and the same when installed. A matter of speed: where it
# cannot be built, one line says why. For other Rubies: RUBY lib/passenger/native_builder.rb in the installed folder.

native_sources = \
    %D%/claim.c \
    %D%/client_socket.c \
    %D%/passenger_native.c \
    %D%/passenger_native.h \
    %D%/poller.c
nobase_dist_passengerroot_DATA += $(native_sources)
EXTRA_DIST += %D%/README.md

# The builder does nothing where its file is newer than the sources. It is asked each time, since Ruby may have been upgraded.
.PHONY: native
native:
	@$(RUBY) $(srcdir)/lib/passenger/native_builder.rb root/native

install-data-local:
	test ! -d root/native || find root/native -name '*.so' | while read -r file; do \
	    $(MKDIR_P) "$(DESTDIR)$(passengerrootdir)/$$(dirname "$${file#root/}")" && \
	    $(INSTALL_DATA) "$$file" "$(DESTDIR)$(passengerrootdir)/$${file#root/}" || exit; done
uninstall-local:
	rm -rf "$(DESTDIR)$(passengerrootdir)/native"
.PHONY: clean-native
clean-local: clean-native
clean-native:
	rm -rf root/native
