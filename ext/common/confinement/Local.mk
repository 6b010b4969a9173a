# Keep sorted, one file a line. The module does not link it, and so not libseccomp.
noinst_LTLIBRARIES += libpassenger_confinement.la
libpassenger_confinement_la_SOURCES = \
    %D%/Confinement.cpp \
    %D%/FileLimits.cpp \
    %D%/SystemCallFilter.cpp \
    %D%/SystemCalls.cpp
