from django.contrib import admin
from django.http import JsonResponse
from django.urls import path

def about(request, name):
    return JsonResponse({"secure": request.is_secure(), "url": request.build_absolute_uri(),
                         "address": request.META["REMOTE_ADDR"], "path": request.path, "name": name})

urlpatterns = [path("admin/", admin.site.urls), path("about/<name>/", about)]
