# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_shm.la
libpassenger_shm_la_SOURCES = \
    %D%/Claims.cpp \
    %D%/Claims.h \
    %D%/ClaimsView.cpp \
    %D%/ClaimsView.h \
    %D%/ClaimsWriter.cpp \
    %D%/ClaimsWriter.h \
    %D%/FairnessKey.cpp \
    %D%/FairnessKey.h \
    %D%/GenerationTable.cpp \
    %D%/GenerationTable.h \
    %D%/GenerationTableView.cpp \
    %D%/GenerationTableView.h \
    %D%/InFlightReader.cpp \
    %D%/InFlightReader.h \
    %D%/InFlightTable.cpp \
    %D%/InFlightTable.h \
    %D%/InstanceClaim.cpp \
    %D%/InstanceClaim.h \
    %D%/Layouts.h \
    %D%/Mapping.cpp \
    %D%/Mapping.h \
    %D%/RequestLabel.h \
    %D%/SenderMemory.cpp \
    %D%/SenderMemory.h \
    %D%/SenderMemoryView.cpp \
    %D%/SenderMemoryView.h \
    %D%/SharedMemory.cpp \
    %D%/SharedMemory.h
EXTRA_DIST += %D%/README.md
