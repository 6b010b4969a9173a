# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_rights.la
libpassenger_rights_la_SOURCES = \
    %D%/AppFile.cpp \
    %D%/AppFile.h \
    %D%/CgroupPlace.cpp \
    %D%/CgroupPlace.h \
    %D%/Cgroups.cpp \
    %D%/Cgroups.h \
    %D%/FileOwners.h \
    %D%/Grants.cpp \
    %D%/Grants.h \
    %D%/GrantsInForce.cpp \
    %D%/GrantsInForce.h \
    %D%/HelperProcess.cpp \
    %D%/HelperProcess.h \
    %D%/LoaderVariables.cpp \
    %D%/LoaderVariables.h \
    %D%/OwnRights.cpp \
    %D%/OwnRights.h \
    %D%/OwnerSearch.cpp \
    %D%/OwnerSearch.h \
    %D%/ProcessFacts.cpp \
    %D%/ProcessFacts.h \
    %D%/ProcessLineage.cpp \
    %D%/ProcessLineage.h \
    %D%/RegistryFolder.cpp \
    %D%/RegistryFolder.h \
    %D%/Rights.cpp \
    %D%/Rights.h \
    %D%/RightsClient.cpp \
    %D%/RightsClient.h \
    %D%/RightsMessages.cpp \
    %D%/RightsMessages.h \
    %D%/RightsProcess.cpp \
    %D%/RightsProcess.h \
    %D%/RightsServer.cpp \
    %D%/RightsServer.h \
    %D%/RunAs.h \
    %D%/SilentFiles.cpp \
    %D%/SilentFiles.h \
    %D%/SocketFolders.cpp \
    %D%/SocketFolders.h \
    %D%/SystemFileOwners.cpp \
    %D%/SystemFileOwners.h \
    %D%/SystemUserDatabase.cpp \
    %D%/SystemUserDatabase.h \
    %D%/TaskLimit.cpp \
    %D%/TaskLimit.h \
    %D%/UnsentSignals.cpp \
    %D%/UnsentSignals.h \
    %D%/UserDatabase.h \
    %D%/UserResolver.cpp \
    %D%/UserResolver.h
EXTRA_DIST += %D%/README.md
