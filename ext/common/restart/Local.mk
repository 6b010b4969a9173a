# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_restart.la
libpassenger_restart_la_SOURCES = \
    %D%/FolderWatches.cpp \
    %D%/FolderWatches.h \
    %D%/RestartFiles.cpp \
    %D%/RestartFiles.h \
    %D%/RestartWatch.cpp \
    %D%/RestartWatch.h
EXTRA_DIST += %D%/README.md
