# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_base.la
libpassenger_base_la_SOURCES = \
    %D%/AcceptedTypes.cpp \
    %D%/AcceptedTypes.h \
    %D%/ChildProcess.cpp \
    %D%/ChildProcess.h \
    %D%/ChildSetup.cpp \
    %D%/ChildSetup.h \
    %D%/CleanEnvironment.cpp \
    %D%/CleanEnvironment.h \
    %D%/Clock.h \
    %D%/DescriptorCloser.cpp \
    %D%/DescriptorCloser.h \
    %D%/DescriptorLimit.cpp \
    %D%/DescriptorLimit.h \
    %D%/DynamicUser.cpp \
    %D%/DynamicUser.h \
    %D%/Exceptions.h \
    %D%/FileContent.cpp \
    %D%/FileContent.h \
    %D%/FileDescriptor.cpp \
    %D%/FileDescriptor.h \
    %D%/FileRights.cpp \
    %D%/FileRights.h \
    %D%/FolderTrust.cpp \
    %D%/FolderTrust.h \
    %D%/HttpText.cpp \
    %D%/HttpText.h \
    %D%/Json.cpp \
    %D%/Json.h \
    %D%/LockOrder.cpp \
    %D%/LockOrder.h \
    %D%/LockRank.h \
    %D%/LogHistogram.h \
    %D%/LogLimit.h \
    %D%/MarkupText.cpp \
    %D%/MarkupText.h \
    %D%/Mutex.h \
    %D%/PassengerRoot.cpp \
    %D%/PassengerRoot.h \
    %D%/PidFd.cpp \
    %D%/PidFd.h \
    %D%/Poll.cpp \
    %D%/Poll.h \
    %D%/ProcessMemory.cpp \
    %D%/ProcessMemory.h \
    %D%/ProcessTree.cpp \
    %D%/ProcessTree.h \
    %D%/Report.cpp \
    %D%/Report.h \
    %D%/SeccompMode.cpp \
    %D%/SeccompMode.h \
    %D%/SignalDescriptor.cpp \
    %D%/SignalDescriptor.h \
    %D%/Split.cpp \
    %D%/Split.h \
    %D%/StandardDescriptors.cpp \
    %D%/StandardDescriptors.h \
    %D%/StrongId.h \
    %D%/SystemClock.cpp \
    %D%/SystemClock.h \
    %D%/ThreadSafety.h \
    %D%/UserSwitch.cpp \
    %D%/UserSwitch.h
libpassenger_base_la_LIBADD = $(FMT_LIBS)
EXTRA_DIST += %D%/README.md
