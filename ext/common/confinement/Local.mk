# Keep sorted, one file a line. The module does not link it, and so not libseccomp.
noinst_LTLIBRARIES += libpassenger_confinement.la
libpassenger_confinement_la_SOURCES = \
    %D%/Capabilities.cpp \
    %D%/Capabilities.h \
    %D%/Confinement.cpp \
    %D%/Confinement.h \
    %D%/FileLimits.cpp \
    %D%/FileLimits.h \
    %D%/SystemCallFilter.cpp \
    %D%/SystemCallFilter.h \
    %D%/SystemCalls.cpp \
    %D%/SystemCalls.h
EXTRA_DIST += %D%/README.md
