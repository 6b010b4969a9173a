# The packages of Debian, which a release has, too. Keep sorted, one file a line.
EXTRA_DIST += \
    %D%/apache2.service.conf \
    %D%/apparmor/passenger-agent \
    %D%/changelog \
    %D%/control \
    %D%/copyright \
    %D%/libapache2-mod-passenger-ng.apache2 \
    %D%/libapache2-mod-passenger-ng.docs \
    %D%/libapache2-mod-passenger-ng.links \
    %D%/libapache2-mod-passenger-ng.lintian-overrides \
    %D%/libapache2-mod-passenger-ng.postinst \
    %D%/libapache2-mod-passenger-ng.postrm \
    %D%/libapache2-mod-passenger-ng.prerm \
    %D%/libapache2-mod-passenger-ng.sysusers \
    %D%/libapache2-mod-passenger-ng.tmpfiles \
    %D%/passenger.conf \
    %D%/passenger.load \
    %D%/rules \
    %D%/source/format \
    %D%/source/options \
    %D%/tests/commands \
    %D%/tests/common.sh \
    %D%/tests/control \
    %D%/tests/node \
    %D%/tests/python \
    %D%/tests/rails \
    %D%/triggers.in
