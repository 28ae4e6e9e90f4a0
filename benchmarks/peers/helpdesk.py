"""django-helpdesk's `escalate_tickets`: priority raised, a follow-up written, the submitter's mail rendered."""

from datetime import timedelta

from benchmarks.peers import site


def fill(count: int) -> None:
    """Tickets of two days in a queue that escalates after one, with the mail templates that it ships."""
    from django.conf import settings
    from django.core.management import call_command
    from django.urls import include, path
    from django.utils import timezone
    from helpdesk.models import Queue, Ticket

    settings.ROOT_URLCONF = (path("", include("helpdesk.urls")),)  # its mail links to the ticket
    call_command("loaddata", "emailtemplate.json", verbosity=0)
    queue = Queue.objects.create(title="codes", slug="codes", escalate_days=1, email_address="desk@example.org")
    for first in range(0, count, site.PAGE):
        Ticket.objects.bulk_create(
            Ticket(
                title="the code does not work",
                description="the code does not work",
                queue=queue,
                submitter_email=f"buyer{number}@example.org",
                priority=3,
            )
            for number in range(first, min(first + site.PAGE, count))
        )
    Ticket.objects.update(created=timezone.now() - timedelta(days=2))  # it stamps its own when it inserts


def handled() -> int:
    from helpdesk.models import FollowUp, Ticket

    return min(Ticket.objects.filter(priority=2).count(), FollowUp.objects.count())


if __name__ == "__main__":
    site.measure(["rest_framework", "helpdesk"], fill, "escalate_tickets", handled)
