"""The media workers: how they do, for people and for Prometheus, and taking one away or back."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from notary import metrics
from notary.lifecycle import Role
from notary.office import draining
from notary.office import operating as office
from notary.portal.doors import PROBE, actor, only, parts

operating = Blueprint("operating", __name__)
LITTLE_SPACE = 10 * 2**30
"""Twice what ten interviews are expected to need: below twice of one's, none opens (D15)."""
MANY_DESCRIPTORS = 0.8


@operating.get("/desk/media")
@only(Role.ADMIN, Role.OPERATOR)
def page() -> str:
    me = actor()
    assert me.office_id is not None
    with parts().db() as db:
        workers, rooms = office.workers(db, parts()), office.rooms(db, parts(), me.office_id)
    figures = {one.number: figures_of(one) for one in workers}
    return render_template(
        "desk/media.html", me=me, workers=workers, rooms=rooms, figures=figures, warnings=_warnings(workers)
    )


def figures_of(worker: office.WorkerSeen) -> list[tuple[str, str, str]]:
    """(key, label, words) of what a worker that answers says."""
    said = worker.health
    if not said:
        return []
    return [
        ("rooms", _("现在开着"), _("%(n)d 场，%(p)d 方连着", n=said["rooms"], p=said["legs"])),
        ("frozen", _("画面或声音停住的"), _("%(n)d 方", n=said["frozen"])),
        ("loss-up", _("上行丢包"), _spread(said["loss_up"], "{:.1%}")),
        ("loss-down", _("下行丢包"), _spread(said["loss_down"], "{:.1%}")),
        ("delay", _("来回"), _spread(said["rtt_ms"], "{:.0f} ms")),
        ("lag", _("收发迟了"), f"{said['lag_ms']:.0f} ms"),
        ("recorder", _("等着写盘"), f"{said['recorder']['queued']['bytes'] / 2**20:.1f} MB"),
        ("descriptors", _("打开的文件和连接"), f"{said['descriptors']['open']} / {said['descriptors']['limit']}"),
        ("disk", _("磁盘还剩"), f"{said['free_bytes'] / 2**30:.1f} GB"),
    ]


def _spread(of: dict[str, float | None], form: str) -> str:
    if of["worst"] is None or of["median"] is None:
        return _("没有人")
    return _("最差 %(worst)s，中间 %(median)s", worst=form.format(of["worst"]), median=form.format(of["median"]))


def _warnings(workers: list[office.WorkerSeen]) -> list[str]:
    """What somebody should do something about, in words."""
    told = [
        _("%(n)d 号没有回应。它会自己重启；过一会儿还没有，请看服务的日志。", n=one.number)
        for one in workers if one.state == office.AWAY
    ]  # fmt: skip
    answering = [one for one in workers if one.health]
    if answering and min(one.health["free_bytes"] for one in answering) < LITTLE_SPACE:
        told.append(_("磁盘快满了，新的视频会开不了。请腾地方或加盘。"))
    for one in answering:
        used = one.health["descriptors"]
        if used["open"] > MANY_DESCRIPTORS * used["limit"]:
            told.append(_("%(n)d 号打开的文件和连接快到上限了。请调高上限（ulimit -n）再换下它。", n=one.number))
    if workers and all(one.draining_since for one in workers):
        told.append(_("每一个都不接新的了：现在开不了视频。请至少启用一个。"))
    return told


@operating.post("/desk/media/<int:number>/drain")
@only(Role.ADMIN)
def drain(number: int) -> AnyResponse:
    with parts().db.begin() as db:
        draining.drain(db, parts(), number, actor(), parts().clock())
    return redirect(url_for("operating.page"), 303)


@operating.post("/desk/media/<int:number>/take-up")
@only(Role.ADMIN)
def take_up(number: int) -> AnyResponse:
    with parts().db.begin() as db:
        draining.take_up(db, parts(), number, actor(), parts().clock())
    return redirect(url_for("operating.page"), 303)


@operating.get("/metrics")
@only(Role.ADMIN, Role.OPERATOR, PROBE)
def figures() -> AnyResponse:
    with parts().db() as db:
        said = metrics.exposition(office.workers(db, parts()), office.jobs_by_state(db))
    return Response(said, content_type=metrics.MEDIA_TYPE)
