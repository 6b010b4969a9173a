# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_shm.la
libpassenger_shm_la_SOURCES = \
    %D%/Claims.cpp \
    %D%/ClaimsView.cpp \
    %D%/ClaimsWriter.cpp \
    %D%/GenerationTable.cpp \
    %D%/GenerationTableView.cpp \
    %D%/InFlightReader.cpp \
    %D%/InFlightTable.cpp \
    %D%/InstanceClaim.cpp \
    %D%/Mapping.cpp \
    %D%/SenderMemory.cpp \
    %D%/SenderMemoryView.cpp \
    %D%/SharedMemory.cpp
