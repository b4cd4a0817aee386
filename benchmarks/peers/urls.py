from django.urls import path

from benchmarks.peers import views

urlpatterns = [
    path("bare", views.bare),
    path("open", views.Open.as_view()),
    path("token", views.Token.as_view()),
    path("knox", views.Knox.as_view()),
    path("api-key", views.ApiKey.as_view()),
    path("argon2", views.Argon2.as_view()),
    path("events", views.Events.as_view()),
]
