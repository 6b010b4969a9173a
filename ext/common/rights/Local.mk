# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_rights.la
libpassenger_rights_la_SOURCES = \
    %D%/AppFile.cpp \
    %D%/CgroupPlace.cpp \
    %D%/Cgroups.cpp \
    %D%/Grants.cpp \
    %D%/GrantsInForce.cpp \
    %D%/HelperProcess.cpp \
    %D%/LoaderVariables.cpp \
    %D%/OwnRights.cpp \
    %D%/OwnerSearch.cpp \
    %D%/ProcessFacts.cpp \
    %D%/ProcessLineage.cpp \
    %D%/RegistryFolder.cpp \
    %D%/Rights.cpp \
    %D%/RightsClient.cpp \
    %D%/RightsMessages.cpp \
    %D%/RightsProcess.cpp \
    %D%/RightsServer.cpp \
    %D%/SilentFiles.cpp \
    %D%/SocketFolders.cpp \
    %D%/TaskLimit.cpp \
    %D%/UserResolver.cpp
