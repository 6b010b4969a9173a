# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_restart.la
libpassenger_restart_la_SOURCES = \
    %D%/FolderWatches.cpp \
    %D%/RestartFiles.cpp \
    %D%/RestartWatch.cpp
