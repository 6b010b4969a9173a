# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_shm.la
libpassenger_shm_la_SOURCES = \
    %D%/Board.cpp \
    %D%/Board.h \
    %D%/GenerationTable.cpp \
    %D%/GenerationTable.h \
    %D%/GroupMemory.cpp \
    %D%/GroupMemory.h \
    %D%/Layouts.h \
    %D%/Mapping.cpp \
    %D%/Mapping.h \
    %D%/SharedMemory.cpp \
    %D%/SharedMemory.h
EXTRA_DIST += %D%/README.md
