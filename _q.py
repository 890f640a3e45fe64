import sys; sys.path.insert(0,"/work/wt-tune")
import numpy as np, time
from config_bach import *
from stream.model_cache import ModelCache
from storage.bundle import load
import families.satb.inpainting as I
from families.satb.inpainting import *
from families.satb.dataset import sequence_of, _chorale
from families.satb.encoding import *
from families import metrics
from midi_io import Score
from dataclasses import replace
from fractions import Fraction
p=Paths(Path("/work/wt-tune")) if False else Paths()
m=ModelCache(p,"",Runtime()).model("bach5_nc_mo")
b=load(p.models/"bach5_nc_mo.zip")
pieces=[x for x in m.family.unpack(b.held_out) if len(x)>=128][:12]
def nats(c):
    (s,)=[sequence_of(c)]
    heads=metrics.through(m.predictor,s.rows[None],s.targets[None])
    n,_=m.family.score([h[0] for h in heads],s,m.vocabulary.fields)
    return n[:,1:].mean()
def plan(c,kind):
    n=len(c); bars=[Fraction(4*i) for i in range(n//16+1)]; end=Fraction(n,4)
    if kind=="own": return c.plan
    if kind=="none": return plan_of(n)
    if kind=="bars": return plan_of(n,bars)
    return plan_of(n,bars,[(end-1,end)])
rows={}
for P,kind in ((48,"own"),(24,"own"),(16,"own"),(8,"own"),(24,"none"),(24,"bars"),(24,"last")):
    I.PARTICLES=P; r=[];t=0
    for i,c in enumerate(pieces):
        c=c.part(0,128,"x")
        g=replace(c,plan=plan(c,kind))
        t0=time.time(); out=inpaint(m.predictor,g,free_voices(g,[0]),Composing(seed=i)); t+=time.time()-t0
        r.append(nats(replace(out,plan=c.plan)))
    print(P,kind,np.mean(r),"real",np.mean([nats(c.part(0,128,"x")) for c in pieces]),t/len(pieces),flush=True)
